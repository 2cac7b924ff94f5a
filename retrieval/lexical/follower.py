"""Keep the lexical index in step with the rows, whoever changed them. Changes no row.

The index follows: it reads what was published and what was deleted after the generation that it
bears, and commits both with the new generation. It needs no part in anybody's transaction, and what
a crash interrupts is read again.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import structlog
from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session

from core.database import Database
from core.generation import read_generation
from core.tables import ChunkRow, DeletedChunkRow, DocumentRow, ManifestRow, VersionRow
from core.verify import Checked, Finding
from retrieval.lexical.index import (
    NOTHING,
    LexicalIndex,
    LexicalIndexBusyError,
    LexicalIndexCorruptError,
    LexicalText,
    LexicalView,
    LexicalWriter,
)

_log = structlog.get_logger()

_BATCH: Final = 1_000
_POLL_S: Final = 0.25
_BUSY_S: Final = 0.02
# What was committed is found at once; a search does not wait longer than this for it.
_MAX_WAIT_S: Final = 1.0
_MAX_CHECK_WAIT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class LexicalDifference:
    """How the index differs from the rows; both are empty where it does not."""

    num_chunks: int
    missing: tuple[int, ...] = ()
    orphans: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class LexicalStatus:
    """The index beside the rows. `generation` is how far it has followed them; None: nowhere yet.

    `error` says what is wrong with its files; it holds nothing that can be read then.
    """

    generation: int | None
    num_chunks: int
    num_live: int
    is_current: bool
    error: str | None = None


class LexicalFollower:
    """Brings the index up to the rows. Thread-safe; one process at a time writes."""

    def __init__(self, database: Database, index: LexicalIndex) -> None:
        self._database = database
        self._index = index
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def current(self, *, max_wait_s: float = _MAX_WAIT_S) -> LexicalView:
        """The index, brought up to the rows as they are now.

        Where that takes longer than `max_wait_s`, after many documents or while another process
        writes, it is the index as it stands by then. A damaged index is reported in the log and
        built anew.
        """
        until_s = time.monotonic() + max_wait_s
        while True:
            view, is_current = self._look()
            if is_current or time.monotonic() > until_s:
                return view
            if self._lock.acquire(timeout=max(0.0, until_s - time.monotonic())):
                try:
                    self._follow()
                except LexicalIndexBusyError:
                    time.sleep(_BUSY_S)
                finally:
                    self._lock.release()

    def rebuild(self, *, max_wait_s: float = 0.0) -> LexicalView:
        """Build the index anew from the rows. Searches go on with the old one meanwhile.

        Waits so long for another process that writes; raises `LexicalIndexBusyError` then, and
        `LexicalIndexCorruptError` where the files cannot be read after they were removed either.
        """
        until_s = time.monotonic() + max_wait_s
        is_mended = False
        while True:
            try:
                with self._lock, self._index.writing() as writer:
                    writer.clear()
                    self._write(writer, since=NOTHING)
                return self._index.refresh()
            except LexicalIndexCorruptError as error:
                if is_mended:
                    raise self._index.unmendable(error) from error
                is_mended = True
                with self._lock:
                    self._index.remove()
            except LexicalIndexBusyError:
                if time.monotonic() > until_s:
                    raise
                time.sleep(_BUSY_S)

    def status(self) -> LexicalStatus:
        """How the index stands, as it is: nothing is brought up to date or mended."""
        mark, num_chunks, reason = NOTHING, 0, None
        try:
            view = self._index.refresh()
            mark, num_chunks = view.mark, view.num_chunks
        except LexicalIndexCorruptError as error:
            reason = str(error)
        with self._database.read_scope() as session:
            generation = session.scalars(select(ManifestRow.generation)).one()
            num_live = session.scalar(select(func.count()).select_from(ChunkRow)) or 0
        return LexicalStatus(
            generation=None if mark == NOTHING else mark,
            num_chunks=num_chunks,
            num_live=num_live,
            is_current=mark == generation,
            error=reason,
        )

    def compare(self) -> LexicalDifference:
        """Compare the index with the rows, chunk by chunk, as both stand at one generation."""
        while True:
            view = self.current(max_wait_s=_MAX_CHECK_WAIT_S)
            with self._database.read_scope() as session:
                generation = session.scalars(select(ManifestRow.generation)).one()
                difference = _differ(session, view)
            # an index that somebody has been writing to for so long is told as it is
            if view.mark == generation or view.mark == self._index.view().mark:
                return difference

    def check(self, *, repair: bool) -> Checked:
        """As `cimiento verify` asks for it: each chunk that the index lacks or should not have."""
        difference = self.compare()
        if repair and (difference.missing or difference.orphans):
            self.rebuild()
        missing = [
            Finding("missing_term", str(name), "a live chunk is not in the lexical index", repair)
            for name in difference.missing
        ]
        orphans = [
            Finding("orphan_term", str(name), "the lexical index has a chunk that is gone", repair)
            for name in difference.orphans
        ]
        return Checked("lexical", difference.num_chunks, tuple(missing + orphans))

    def start(self) -> None:
        """Follow from now on, in a thread that ends with the process or with `stop`."""
        self._thread = threading.Thread(target=self._run, name="lexical", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop to follow; waits for what is being written."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(_POLL_S):
            try:
                self.current()
            except Exception:  # noqa: BLE001 - the next turn tries again; the log has the reason
                _log.exception("lexical_index_not_followed")
                self._stopped.wait(10 * _POLL_S)

    def _look(self) -> tuple[LexicalView, bool]:
        """The index as it stands, and whether that is as the rows stand."""
        try:
            view = self._index.view()
            if view.mark == read_generation(self._database):
                return view, True
            view = self._index.refresh()
        except LexicalIndexCorruptError as error:
            _log.warning("lexical_index_rebuilt", reason=str(error))
            with self._lock:
                self._index.remove()
            view = self._index.refresh()
        return view, view.mark == read_generation(self._database)

    def _follow(self) -> None:
        with self._index.writing() as writer:
            # another thread or process may have written while this one waited
            if writer.mark != read_generation(self._database):
                self._write(writer, since=writer.mark)
        self._index.refresh()

    def _write(self, writer: LexicalWriter, *, since: int) -> None:
        with self._database.read_scope() as session:
            generation = session.scalars(select(ManifestRow.generation)).one()
            if since > generation:  # the rows were restored from a backup
                writer.clear()
                since = NOTHING
            if since != NOTHING:
                writer.delete(_deleted(session, since))
            for batch in _batches(session, _published(since)):
                writer.add(batch)
            writer.commit(generation)
            self._check(session, writer, generation)

    def _check(self, session: Session, writer: LexicalWriter, generation: int) -> None:
        """Compare the counts, and everything where they differ.

        The list of deleted chunks is cleared when segments are merged, perhaps before it was read
        here, and rows can be restored from a backup.
        """
        view = self._index.refresh()
        if view.num_chunks == session.scalar(select(func.count()).select_from(ChunkRow)):
            return
        difference = _differ(session, view)
        _log.info(
            "lexical_index_compared",
            missing=len(difference.missing),
            orphans=len(difference.orphans),
        )
        writer.delete(difference.orphans)
        for start in range(0, len(difference.missing), _BATCH):
            ids = difference.missing[start : start + _BATCH]
            for batch in _batches(session, _texts().where(ChunkRow.id.in_(ids))):
                writer.add(batch)
        writer.commit(generation)


def _differ(session: Session, view: LexicalView) -> LexicalDifference:
    rows = np.array(session.scalars(select(ChunkRow.id)).all(), dtype=np.int64)
    held = view.chunk_ids()
    return LexicalDifference(
        num_chunks=len(rows),
        missing=tuple(np.setdiff1d(rows, held).tolist()),
        orphans=tuple(np.setdiff1d(held, rows).tolist()),
    )


_Texts = Select[int, str, str | None, str, str, str | None, str]


def _texts() -> _Texts:
    return (
        select(
            ChunkRow.id,
            ChunkRow.collection_id,
            VersionRow.language,
            DocumentRow.name,
            ChunkRow.heading,
            ChunkRow.table_header,
            ChunkRow.text,
        )
        .join(VersionRow, VersionRow.id == ChunkRow.version_id)
        .join(DocumentRow, DocumentRow.id == VersionRow.document_id)
        .order_by(ChunkRow.id)
    )


def _published(since: int) -> _Texts:
    return _texts() if since == NOTHING else _texts().where(VersionRow.generation > since)


def _deleted(session: Session, since: int) -> Sequence[int]:
    return session.scalars(
        select(DeletedChunkRow.chunk_id).where(DeletedChunkRow.generation > since)
    ).all()


def _batches(session: Session, statement: _Texts) -> Iterator[list[LexicalText]]:
    rows = session.execute(statement.execution_options(yield_per=_BATCH))
    for partition in rows.partitions():
        yield [
            LexicalText(row.id, row.collection_id, row.language, _place(row), row.text)
            for row in partition
        ]


def _place(row: Row[int, str, str | None, str, str, str | None, str]) -> str:
    return "\n".join(filter(None, (row.name, row.heading, row.table_header)))
