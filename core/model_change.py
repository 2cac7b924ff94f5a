"""Give the index over from one embedding model to another, at one instant. Embeds nothing.

Vectors of the next model gather beside the current ones, and its segments are built from them while
searches go on. Then one transaction puts the next vectors in the place of the current ones and
names the new segments: before it every search is of the old model, after it of the new.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import Select, delete, func, insert, select, update
from sqlalchemy.orm import Session

from core.ids import ChunkId, SegmentId, new_id
from core.merge_plan import MAX_VECTORS
from core.merging import Workshop, drop_unnamed, forget_deletions
from core.segment_building import VectorColumns, build_columns
from core.segments import Segment, Vectors
from core.tables import (
    ChunkRow,
    DeletedChunkRow,
    ManifestRow,
    NextVectorRow,
    SegmentRow,
    VersionRow,
)
from core.vectors import Numbers, list_collections

_BATCH: Final = 1_000


class NotCompleteError(Exception):
    """Chunks came in that the next model has not embedded yet: embed them, and try again."""


def count_missing(session: Session, model: str) -> int:
    """How many live chunks have no vector of this model."""
    return session.scalar(select(func.count()).select_from(_missing(model).subquery())) or 0


def list_missing(session: Session, model: str, *, limit: int) -> list[ChunkId]:
    """Some of the live chunks that have no vector of this model, by ascending id."""
    query = _missing(model).order_by(ChunkRow.id).limit(limit)
    return [ChunkId(chunk_id) for chunk_id in session.scalars(query)]


def keep_next(session: Session, model: str, chunk_ids: Sequence[ChunkId], vectors: Vectors) -> None:
    """Keep vectors of the next model, (N, D), for those of the chunks that are still there."""
    alive = set(session.scalars(select(ChunkRow.id).where(ChunkRow.id.in_(chunk_ids))))
    rows = [
        {"chunk_id": chunk_id, "embedding_model": model, "vector": vector.astype("<f2").tobytes()}
        for chunk_id, vector in zip(chunk_ids, vectors, strict=True)
        if chunk_id in alive
    ]
    if rows:
        session.execute(insert(NextVectorRow), rows)


def forget_others(session: Session, model: str) -> None:
    """Drop what was gathered for a model that is not wanted any more."""
    session.execute(delete(NextVectorRow).where(NextVectorRow.embedding_model != model))


class ModelChange:
    """Builds the next model's segments, and switches. For the holder of the index lock."""

    def __init__(self, shop: Workshop, model: str) -> None:
        self._shop = shop
        self._model = model
        self._built: list[Segment] = []
        self._blobs: dict[SegmentId, str | None] = {}

    def build(self) -> None:
        """Build segments of the vectors that are there and in no segment yet."""
        with self._shop.database.read_scope() as session:
            gathered = _list_gathered(session, self._model)
            new = np.setdiff1d(gathered, self._covered())
            for start in range(0, len(new), MAX_VECTORS):
                columns = _columns(session, new[start : start + MAX_VECTORS])
                built = build_columns(
                    SegmentId(new_id("seg")),
                    columns,
                    num_threads=self._shop.num_threads,
                    check=self._shop.check,
                )
                self._blobs[built.id] = self._shop.files.save(built)
                self._built.append(built)

    def switch(self) -> None:
        """Search by the next model from now on. Raises `NotCompleteError`; nothing changed then."""
        covered = self._covered()
        with self._shop.database.session_scope() as session:
            live = np.array(session.scalars(select(ChunkRow.id)).all(), dtype=np.int64)
            if len(np.setdiff1d(live, covered)):
                raise NotCompleteError
            old = session.execute(select(SegmentRow.id, SegmentRow.sha256)).all()
            self._swap(session, covered)
        for name, sha256 in old:
            self._shop.files.delete(SegmentId(name), sha256)

    def give_up(self) -> None:
        """Remove the folders of what was built, unless the manifest names them."""
        drop_unnamed(self._shop, self._blobs)

    def _covered(self) -> Numbers:
        built = [segment.chunk_ids for segment in self._built]
        return np.sort(np.concatenate([np.zeros(0, dtype=np.int64), *built]))

    def _swap(self, session: Session, covered: Numbers) -> None:
        next_vector = (
            select(NextVectorRow.vector)
            .where(NextVectorRow.chunk_id == ChunkRow.id)
            .scalar_subquery()
        )
        due = select(NextVectorRow.chunk_id)
        session.execute(
            update(ChunkRow)
            .where(ChunkRow.id.in_(due))
            .values(vector=next_vector)
            .execution_options(synchronize_session=False)
        )
        session.execute(
            update(VersionRow)
            .where(VersionRow.embedding_model.is_not(None))
            .values(embedding_model=self._model)
        )
        session.execute(delete(NextVectorRow))
        session.execute(delete(SegmentRow))
        session.add_all(
            SegmentRow(
                id=segment.id,
                embedding_model=self._model,
                num_vectors=len(segment.chunk_ids),
                num_dimensions=segment.index.d,
                sha256=self._blobs[segment.id],
            )
            for segment in self._built
        )
        deleted = np.array(session.scalars(select(DeletedChunkRow.chunk_id)).all(), dtype=np.int64)
        forget_deletions(session, np.setdiff1d(deleted, covered))
        session.execute(
            update(ManifestRow).values(
                generation=ManifestRow.generation + 1, embedding_model=self._model
            )
        )


def _missing(model: str) -> Select[int]:
    return (
        select(ChunkRow.id)
        .join(VersionRow, VersionRow.id == ChunkRow.version_id)
        .outerjoin(NextVectorRow, NextVectorRow.chunk_id == ChunkRow.id)
        .where(VersionRow.embedding_model != model, NextVectorRow.chunk_id.is_(None))
    )


def _list_gathered(session: Session, model: str) -> Numbers:
    """Chunks with a vector of this model: gathered, or published with it already."""
    gathered = select(NextVectorRow.chunk_id).where(NextVectorRow.embedding_model == model)
    return np.array(sorted(session.scalars(gathered)), dtype=np.int64)


def _columns(session: Session, chunk_ids: Numbers) -> VectorColumns:
    owners = list_collections(session, chunk_ids)
    names = tuple(sorted(set(owners)))
    codes = np.array([names.index(name) for name in owners], dtype=np.int32)

    def read(wanted: npt.NDArray[np.intp]) -> Vectors:
        ids = chunk_ids[wanted]
        found: dict[int, bytes] = {}
        for start in range(0, len(ids), _BATCH):
            some = ids[start : start + _BATCH].tolist()
            query = select(NextVectorRow.chunk_id, NextVectorRow.vector)
            rows = session.execute(query.where(NextVectorRow.chunk_id.in_(some)))
            found |= {row.chunk_id: row.vector for row in rows}
        stacked = np.stack([np.frombuffer(found[chunk_id], "<f2") for chunk_id in ids.tolist()])
        return stacked.astype(np.float32)

    return VectorColumns(chunk_ids, codes, names, read)
