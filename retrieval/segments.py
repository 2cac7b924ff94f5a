"""Open segments of the current manifest. Readers get whole snapshots; never writes."""

import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.access import Access
from core.database import Database
from core.ids import SegmentId
from core.segments import Segment, load_segment
from core.tables import DeletedChunkRow, ManifestRow, SegmentRow


@dataclass(frozen=True, slots=True)
class OpenSegment:
    """A segment and which of its N vectors still stand for a chunk: `live` is (N,) bool."""

    segment: Segment
    live: npt.NDArray[np.bool_]

    def visible_to(self, access: Access) -> npt.NDArray[np.bool_]:
        """Which of the N vectors this caller may find: (N,) bool."""
        if access.collection_ids is None:
            return self.live
        codes = [
            code
            for code, collection_id in enumerate(self.segment.collection_ids)
            if access.allows(collection_id)
        ]
        return self.live & np.isin(self.segment.collection_codes, codes)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The index as it stood at one generation of the manifest."""

    generation: int
    segments: tuple[OpenSegment, ...]


class SegmentReader:
    """Keeps the segments of one embedding model open and follows the manifest. Thread-safe."""

    def __init__(self, database: Database, root: Path, *, embedding_model: str) -> None:
        self._database = database
        self._root = root
        self._embedding_model = embedding_model
        self._lock = threading.Lock()
        self._snapshot = Snapshot(generation=-1, segments=())

    def generation(self) -> int:
        """The generation that is current in the database now."""
        with self._database.read_scope() as session:
            return _generation(session)

    def snapshot(self) -> Snapshot:
        """The current index. Costs one small query unless the manifest has moved.

        Raises `SegmentCorruptError`: a segment that cannot be read is reported, never skipped.
        """
        if self.generation() == self._snapshot.generation:
            return self._snapshot
        with self._lock:
            # another thread may have loaded it while this one waited
            if self.generation() != self._snapshot.generation:
                self._snapshot = self._load()
            return self._snapshot

    def _load(self) -> Snapshot:
        with self._database.read_scope() as session:
            generation = _generation(session)
            rows = session.scalars(
                select(SegmentRow)
                .where(SegmentRow.embedding_model == self._embedding_model)
                .order_by(SegmentRow.id)
            ).all()
            deleted = np.array(session.scalars(select(DeletedChunkRow.chunk_id)).all(), np.int64)
        held = {opened.segment.id: opened.segment for opened in self._snapshot.segments}
        segments = []
        for row in rows:
            name = SegmentId(row.id)
            segment = held.get(name) or load_segment(self._root, name, num_vectors=row.num_vectors)
            live = ~np.isin(segment.chunk_ids, deleted)
            segments.append(OpenSegment(segment, live))
        return Snapshot(generation, tuple(segments))


def _generation(session: Session) -> int:
    return session.scalars(select(ManifestRow.generation)).one()
