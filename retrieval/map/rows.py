"""Every query of a map. Reads searchable chunks of one collection; changes none."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.ids import CollectionId, DocumentId
from core.tables import ChunkRow, ManifestRow, VersionRow
from core.vectors import Numbers, load_content
from retrieval.map.options import MapOptions
from retrieval.map.terms import Text

_BATCH: Final = 1_000
# Texts that name a cluster: more do not change its words.
_MAX_TEXTS: Final = 300


@dataclass(frozen=True, slots=True)
class Chosen:
    """The chunks of a map, by ascending id, of so many in the collection."""

    generation: int
    collection: CollectionId
    chunk_ids: Numbers
    num_chunks: int


def choose_chunks(session: Session, collection: CollectionId, options: MapOptions) -> Chosen:
    """The chunks whose vectors can be compared: all, or as many of them as the map may have."""
    manifest = session.scalars(select(ManifestRow)).one()
    query = (
        select(ChunkRow.id)
        .join(VersionRow, VersionRow.id == ChunkRow.version_id)
        .where(ChunkRow.collection_id == collection, VersionRow.state == "searchable")
        .order_by(ChunkRow.id)
    )
    if manifest.embedding_model is not None:
        query = query.where(VersionRow.embedding_model == manifest.embedding_model)
    live = np.array(session.scalars(query).all(), dtype=np.int64)
    chosen = live
    if len(live) > options.max_points:
        draw = np.random.default_rng(options.seed)
        chosen = np.sort(draw.choice(live, options.max_points, replace=False))
    return Chosen(manifest.generation, collection, chosen, len(live))


def load_vectors(session: Session, chunk_ids: Numbers) -> npt.NDArray[np.float16]:
    """The vectors of these live chunks, (N, D), as SQL keeps them."""
    batches = [
        load_content(session, chunk_ids[start : start + _BATCH]).vectors.astype(np.float16)
        for start in range(0, len(chunk_ids), _BATCH)
    ]
    return np.concatenate(batches) if batches else np.zeros((0, 0), dtype=np.float16)


def load_documents(session: Session, chosen: Chosen) -> dict[int, DocumentId]:
    """The documents of those of the chunks that are still there."""
    if not len(chosen.chunk_ids):
        return {}
    first, last = chosen.chunk_ids[[0, -1]].tolist()
    rows = session.execute(
        select(ChunkRow.id, ChunkRow.document_id)
        .join(VersionRow, VersionRow.id == ChunkRow.version_id)
        .where(ChunkRow.collection_id == chosen.collection, ChunkRow.id.between(first, last))
        .where(VersionRow.state == "searchable")
    )
    return {row.id: DocumentId(row.document_id) for row in rows}


def load_texts(session: Session, chunk_ids: Numbers) -> list[Text]:
    """The texts that name a cluster: those of some of its chunks, evenly chosen."""
    step = -(-len(chunk_ids) // _MAX_TEXTS)
    rows = session.execute(
        select(ChunkRow.text, func.coalesce(ChunkRow.language, VersionRow.language))
        .join(VersionRow, VersionRow.id == ChunkRow.version_id)
        .where(ChunkRow.id.in_(chunk_ids[::step].tolist()))
        .order_by(ChunkRow.id)
    )
    return [Text(text, language) for text, language in rows]
