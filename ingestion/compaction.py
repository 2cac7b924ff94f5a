"""Rewriting SQLite's file now and then, so that no unused part of it still holds deleted text.

`secure_delete` overwrites what is deleted where it lies. But a row that SQLite moved to another
page when that one was full may stay behind in the unused part of the first: about one row in some
hundreds, seen in the crash matrix. Nothing reads it; a copy of the disk would show it.
"""

import time
from pathlib import Path
from typing import Final

import structlog

from core.database import Database
from core.durable import replace_text
from core.generation import read_last_deletion
from core.locks import file_lock

log = structlog.get_logger()

_EVERY_S: Final = 24 * 3600.0
# Writers wait meanwhile: some ten seconds for so much.
_MAX_BYTES: Final = 1 << 30
_DOING: Final = "rewrites the database's file"


class Compactions:
    """When the file was last rewritten, noted beside it. For any number of processes."""

    def __init__(
        self,
        database: Database,
        data_dir: Path,
        *,
        every_s: float = _EVERY_S,
        max_bytes: int = _MAX_BYTES,
    ) -> None:
        """every_s: at most so often. max_bytes: a larger file is left to `cimiento db compact`."""
        self._database = database
        self._note = data_dir / "compacted"
        self._lock = data_dir / "compact.lock"
        self._every_s = every_s
        self._max_bytes = max_bytes

    def compact(self) -> None:
        """Rewrite the file now, and note it. Does nothing on PostgreSQL, whose vacuum does it.

        Raises `AlreadyRunningError` where another process is at it, `DatabaseBusyError`.
        """
        with file_lock(self._lock, doing=_DOING, wait_s=0.0):
            deletion = read_last_deletion(self._database)
            self._database.compact()
            self._write_note(deletion)

    def compact_if_due(self) -> bool:
        """Rewrite the file if something was deleted since, and the last time is long ago."""
        size = self._database.file_bytes()
        if size == 0:
            return False
        try:
            noted, age_s = int(self._note.read_text()), time.time() - self._note.stat().st_mtime
        except (OSError, ValueError):
            # from now on it counts: a start must not be slowed by what may not be needed
            self._write_note(0)
            return False
        if age_s < self._every_s or read_last_deletion(self._database) <= noted:
            return False
        if size > self._max_bytes:
            log.warning("compaction_is_due", bytes=size, remedy="cimiento db compact")
            self._write_note(noted)
            return False
        self.compact()
        log.info("database_compacted", bytes=size)
        return True

    def _write_note(self, deletion: int) -> None:
        replace_text(self._note, str(deletion))
