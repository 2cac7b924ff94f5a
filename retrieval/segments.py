"""Open segments of the current manifest. Readers get whole snapshots; never writes."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.database import Database
from core.errors import SegmentCorruptError
from core.generation import read_generation
from core.ids import SegmentId
from core.segments import Segment, build_segment, load_segment
from core.tables import DeletedChunkRow, ManifestRow, SegmentRow
from core.vectors import list_chunk_ids, load_content
from retrieval.selection import OpenSegment
from retrieval.types import ChunkIds

log = structlog.get_logger()

# How often a manifest that moves while its segments are opened is read again.
_MAX_TRIES: Final = 5
# Name of what stands in for the segments that cannot be read; no segment has it.
_STAND_IN: Final = SegmentId("stand-in")
_NONE: Final = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The index as it stood at one generation of the manifest."""

    generation: int
    segments: tuple[OpenSegment, ...]
    embedding_model: str = ""


class SegmentReader:
    """Keeps the segments open that the manifest names, of one embedding model. Thread-safe.

    `embedding_model` is searched by until the manifest names a model.
    """

    def __init__(self, database: Database, root: Path, *, embedding_model: str) -> None:
        self._database = database
        self._root = root
        self._embedding_model = embedding_model
        self._lock = threading.Lock()
        self._snapshot = Snapshot(generation=-1, segments=())

    def generation(self) -> int:
        """The generation that is current in the database now."""
        return read_generation(self._database)

    def snapshot(self) -> Snapshot:
        """The current index. Costs one small query unless the manifest has moved.

        A segment that cannot be read is reported in the log and searched from the rows in SQL
        until it is rebuilt: slower to open, never left out.
        """
        if self.generation() == self._snapshot.generation:
            return self._snapshot
        with self._lock:
            # another thread may have loaded it while this one waited
            if self.generation() != self._snapshot.generation:
                self._snapshot = self._load()
            return self._snapshot

    def _load(self) -> Snapshot:
        for tries_left in reversed(range(_MAX_TRIES)):
            with self._database.read_scope() as session:
                manifest = session.scalars(select(ManifestRow)).one()
                generation = manifest.generation
                model = manifest.embedding_model or self._embedding_model
                opened, damaged = self._open(session, model)
                if damaged and tries_left and self.generation() != generation:
                    # A merge took a folder away between the manifest and its files: look again.
                    continue
                if damaged:
                    for error in damaged:
                        log.error("segment_corrupt", reason=str(error))
                    opened.append(self._stand_in(session, opened, model))
                return Snapshot(generation, tuple(opened), model)
        raise AssertionError("the last try returns")

    def _open(
        self, session: Session, model: str
    ) -> tuple[list[OpenSegment], list[SegmentCorruptError]]:
        query = select(SegmentRow).where(SegmentRow.embedding_model == model)
        held = {opened.segment.id: opened for opened in self._snapshot.segments}
        deleted = _deleted_since(session, self._snapshot.generation)
        opened: list[OpenSegment] = []
        damaged: list[SegmentCorruptError] = []
        for row in session.scalars(query.order_by(SegmentRow.id)):
            name = SegmentId(row.id)
            if name in held:
                opened.append(held[name].masking(deleted))
                continue
            try:
                segment = load_segment(self._root, name, num_vectors=row.num_vectors)
            except SegmentCorruptError as error:
                damaged.append(error)
                continue
            opened.append(OpenSegment.without(segment, _deleted_within(session, segment)))
        return opened, damaged

    def _stand_in(self, session: Session, opened: Sequence[OpenSegment], model: str) -> OpenSegment:
        """What the damaged segments should hold, from the rows: whatever no other segment has."""
        known = [one.segment.chunk_ids for one in opened]
        missing = np.setdiff1d(list_chunk_ids(session, model), np.concatenate([_NONE, *known]))
        for held in self._snapshot.segments:
            if held.segment.id == _STAND_IN and np.isin(missing, held.segment.chunk_ids).all():
                return OpenSegment(held.segment, np.isin(held.segment.chunk_ids, missing))
        segment = build_segment(_STAND_IN, load_content(session, missing))
        return OpenSegment.without(segment, _NONE)


def _deleted_since(session: Session, generation: int) -> ChunkIds:
    query = select(DeletedChunkRow.chunk_id).where(DeletedChunkRow.generation > generation)
    return np.array(session.scalars(query.order_by(DeletedChunkRow.chunk_id)).all(), np.int64)


def _deleted_within(session: Session, segment: Segment) -> ChunkIds:
    query = select(DeletedChunkRow.chunk_id).where(
        DeletedChunkRow.chunk_id.between(*segment.chunk_ids[[0, -1]].tolist())
    )
    return np.array(session.scalars(query.order_by(DeletedChunkRow.chunk_id)).all(), np.int64)
