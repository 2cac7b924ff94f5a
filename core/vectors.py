"""The vectors that SQL keeps: what every segment can be rebuilt from, without a model."""

from typing import Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.ids import CollectionId
from core.segments import SegmentContent
from core.tables import ChunkRow, VersionRow

_BATCH: Final = 1_000

Numbers = npt.NDArray[np.int64]


def list_chunk_ids(session: Session, embedding_model: str) -> Numbers:
    """Ids of the live chunks that have a vector of this model, ascending."""
    query = (
        select(ChunkRow.id)
        .join(VersionRow, VersionRow.id == ChunkRow.version_id)
        .where(VersionRow.embedding_model == embedding_model)
        .order_by(ChunkRow.id)
    )
    return np.array(session.scalars(query).all(), dtype=np.int64)


def list_collections(session: Session, chunk_ids: Numbers) -> list[CollectionId]:
    """The collection of each of these live chunks, in their order."""
    owners: dict[int, CollectionId] = {}
    for start in range(0, len(chunk_ids), _BATCH):
        rows = session.execute(
            select(ChunkRow.id, ChunkRow.collection_id).where(
                ChunkRow.id.in_(chunk_ids[start : start + _BATCH].tolist())
            )
        )
        owners |= {row.id: CollectionId(row.collection_id) for row in rows}
    return [owners[chunk_id] for chunk_id in chunk_ids.tolist()]


def load_content(session: Session, chunk_ids: Numbers) -> SegmentContent:
    """The vectors of these chunks, by ascending id; ids that have no row are left out."""
    ids: list[int] = []
    collection_ids: list[CollectionId] = []
    vectors: list[npt.NDArray[np.float16]] = []
    for start in range(0, len(chunk_ids), _BATCH):
        wanted = chunk_ids[start : start + _BATCH].tolist()
        rows = session.execute(
            select(ChunkRow.id, ChunkRow.collection_id, ChunkRow.vector)
            .where(ChunkRow.id.in_(wanted))
            .order_by(ChunkRow.id)
        )
        for row in rows:
            ids.append(row.id)
            collection_ids.append(CollectionId(row.collection_id))
            vectors.append(np.frombuffer(row.vector, dtype="<f2"))
    matrix = np.stack(vectors) if vectors else np.zeros((0, 0), dtype=np.float16)
    return SegmentContent(np.array(ids, dtype=np.int64), collection_ids, matrix.astype(np.float32))
