"""What the dense index is made of, for people. Reads only."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import func, select

from core.errors import SegmentCorruptError
from core.ids import SegmentId
from core.merging import Workshop
from core.tables import DeletedChunkRow, ManifestRow, NextVectorRow, SegmentRow
from core.vectors import Numbers


@dataclass(frozen=True, slots=True)
class SegmentStatus:
    """One segment. `error` says what is wrong with its files; the figures are unknown then."""

    id: SegmentId
    embedding_model: str
    num_vectors: int
    num_deleted: int = 0
    kind: str = ""
    num_lists: int = 0
    probes: Mapping[int, int] = field(default_factory=dict)
    recall10: float = 0.0
    num_bytes: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """The index as one generation of the manifest names it.

    `embedding_model` is what searches use; `num_next_vectors` counts what the next model has
    embedded so far, while the index changes to it.
    """

    generation: int
    embedding_model: str | None
    num_next_vectors: int
    segments: tuple[SegmentStatus, ...]
    num_vectors: int
    num_deleted: int
    num_bytes: int


def read_status(shop: Workshop) -> IndexStatus:
    """Look at every segment that the manifest names; what is elsewhere is fetched."""
    with shop.database.read_scope() as session:
        manifest = session.scalars(select(ManifestRow)).one()
        num_next = session.scalar(select(func.count()).select_from(NextVectorRow)) or 0
        rows = session.scalars(select(SegmentRow).order_by(SegmentRow.id)).all()
        query = select(DeletedChunkRow.chunk_id).order_by(DeletedChunkRow.chunk_id)
        deleted = np.array(session.scalars(query).all(), dtype=np.int64)
    segments = tuple(_status_of(shop, row, deleted) for row in rows)
    return IndexStatus(
        manifest.generation,
        manifest.embedding_model,
        num_next,
        segments,
        sum(one.num_vectors for one in segments),
        sum(one.num_deleted for one in segments),
        sum(one.num_bytes for one in segments),
    )


def _status_of(shop: Workshop, row: SegmentRow, deleted: Numbers) -> SegmentStatus:
    name = SegmentId(row.id)
    try:
        segment = shop.files.load(row)
    except SegmentCorruptError as error:
        return SegmentStatus(name, row.embedding_model, row.num_vectors, error=str(error))
    facts = segment.facts
    return SegmentStatus(
        id=name,
        embedding_model=row.embedding_model,
        num_vectors=row.num_vectors,
        num_deleted=len(segment.positions_of(deleted)),
        kind=facts.kind,
        num_lists=facts.num_lists,
        probes=facts.probes,
        recall10=facts.recall10,
        num_bytes=facts.num_bytes,
    )
