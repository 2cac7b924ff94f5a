"""What was deleted, by its id: rows of the truth, and a file that travels apart from backups.

A backup that is older than a deletion still holds what was deleted. The row is written in the
transaction that deletes, and the file follows the rows; whoever restores reads the file. No name,
no word, only ids.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, cast

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.database import Database
from core.tables import DeletionRow, now

Kind = Literal["document", "version", "collection", "key", "person"]

LOG_NAME: Final = "deletions.log"


@dataclass(frozen=True, slots=True)
class Deletion:
    """That something was deleted; `restored_at` where it was wanted back after all."""

    kind: Kind
    subject: str
    deleted_at: datetime
    restored_at: datetime | None = None

    @property
    def is_gone(self) -> bool:
        """Whether it is to stay away."""
        return self.restored_at is None

    @property
    def changed_at(self) -> datetime:
        """When this was last decided."""
        return max(self.deleted_at, self.restored_at or self.deleted_at)


def note_deletion(session: Session, kind: Kind, subject: str) -> None:
    """Remember, in the transaction that deletes it, that it is gone."""
    session.merge(DeletionRow(subject=subject, kind=kind, deleted_at=now(), restored_at=None))


def list_deletions(session: Session) -> list[Deletion]:
    """Everything that was ever deleted, in the order of its ids."""
    rows = session.scalars(select(DeletionRow).order_by(DeletionRow.subject))
    return [
        Deletion(cast("Kind", row.kind), row.subject, row.deleted_at, row.restored_at)
        for row in rows
    ]


def newest(deletions: Iterable[Deletion]) -> dict[str, Deletion]:
    """The last decision on each subject, of whatever several logs say."""
    found: dict[str, Deletion] = {}
    for each in deletions:
        known = found.get(each.subject)
        if known is None or each.changed_at >= known.changed_at:
            found[each.subject] = each
    return found


class DeletionLog:
    """The file: a line of JSON for each decision, only ever added to. For any number of processes.

    A line that a crash cut off is passed over, and written again: the rows still have it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._counts: tuple[int, int] | None = None

    def read(self) -> list[Deletion]:
        """Every decision, in the order of the file. Raises `FileNotFoundError`."""
        return list(_parse(self._path.read_bytes()))

    def follow(self, database: Database) -> None:
        """Add what the rows have and the file has not; cheap where nothing was deleted since.

        Raises OSError (disk full); the next call adds what is missing.
        """
        counts = select(func.count(), func.count(DeletionRow.restored_at)).select_from(DeletionRow)
        with database.read_scope() as session:
            num_rows, num_restored = session.execute(counts).one()
            if (num_rows, num_restored) == self._counts:
                return
            rows = list_deletions(session)
        self.add(rows)
        self._counts = (num_rows, num_restored)

    def add(self, deletions: Iterable[Deletion]) -> None:
        """Append those that the file does not have; makes the file where there is none."""
        handle = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(handle, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            written = file.read()
            known = newest(_parse(written))
            lines = [_line(each) for each in deletions if known.get(each.subject) != each]
            # after a line that was cut off a new one begins
            start = b"\n" if written and not written.endswith(b"\n") else b""
            file.write(start + b"".join(lines))
            file.flush()
            os.fsync(file.fileno())


def _line(deletion: Deletion) -> bytes:
    return json.dumps(asdict(deletion), default=datetime.isoformat).encode() + b"\n"


def _parse(data: bytes) -> Iterator[Deletion]:
    for line in data.splitlines():
        try:
            values = json.loads(line)
            for name in ("deleted_at", "restored_at"):
                if values[name] is not None:
                    values[name] = datetime.fromisoformat(values[name])
            yield Deletion(**values)
        except (ValueError, KeyError, TypeError):
            continue
