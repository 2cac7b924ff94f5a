"""Embed what there is with the model that is wanted now, beside the service; then switch to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.embedding import Embedder
from core.ids import ChunkId
from core.locks import database_lock, file_lock
from core.merging import Workshop
from core.model_change import (
    ModelChange,
    NotCompleteError,
    forget_others,
    keep_next,
    list_missing,
)
from core.segments import Vectors
from core.tables import ChunkRow, DocumentRow, ManifestRow
from ingestion.chunking import embedding_text
from ingestion.spans import ChunkSpan

log = structlog.get_logger()

_BATCH: Final = 32
_DOING: Final = "embeds anew"
# Any constant: it names the lock on PostgreSQL.
_LOCK: Final = 0x43494D49_0002
_MERGING_S: Final = 600.0


EmbedMissing = Callable[[Workshop, Embedder], None]
"""Gives each chunk without a vector of the model one; what is published meanwhile may lack it."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Chunks without a vector of the next model, and what to embed for each."""

    chunk_ids: Sequence[ChunkId]
    texts: Sequence[str]


def embed_here(shop: Workshop, embedder: Embedder) -> None:
    """Embed what is missing in this process, batch by batch."""
    while missing := find_missing(shop, embedder, limit=_BATCH):
        keep_vectors(
            shop, embedder.model, missing.chunk_ids, embedder.embed_passages(missing.texts)
        )


def change_model(
    shop: Workshop, embedder: Embedder, embed_missing: EmbedMissing = embed_here
) -> bool:
    """Make the index that of `embedder`, unless it is; whether anything was to do.

    Begun again after a crash, it goes on from the vectors that were kept.
    """
    with shop.database.read_scope() as session:
        serving = session.scalars(select(ManifestRow.embedding_model)).one()
    with shop.database.session_scope() as session:
        forget_others(session, embedder.model)
    if serving is None or serving == embedder.model:
        return False
    with (
        file_lock(shop.files.root.parent / "embedding.lock", doing=_DOING, wait_s=0.0),
        database_lock(shop.database.engine, _LOCK, doing=_DOING, wait_s=0.0),
    ):
        log.info("model_change_begun", old=serving, new=embedder.model)
        embed_missing(shop, embedder)
        with shop.lock(wait_s=_MERGING_S):
            _switch(shop, embedder, embed_missing)
    log.info("model_changed", old=serving, new=embedder.model)
    return True


def find_missing(shop: Workshop, embedder: Embedder, *, limit: int) -> Missing | None:
    """Some of the chunks that have no vector of this model; None where all have one."""
    shop.check()
    with shop.database.read_scope() as session:
        chunk_ids = list_missing(session, embedder.model, limit=limit)
        texts = _texts(session, chunk_ids, embedder)
    return Missing(chunk_ids, texts) if chunk_ids else None


def keep_vectors(
    shop: Workshop, model: str, chunk_ids: Sequence[ChunkId], vectors: Vectors
) -> None:
    """Keep vectors of the next model, (N, D), rounded as they are stored."""
    rounded = vectors.astype(np.float16).astype(np.float32)
    with shop.database.session_scope() as session:
        keep_next(session, model, chunk_ids, rounded)


def _switch(shop: Workshop, embedder: Embedder, embed_missing: EmbedMissing) -> None:
    change = ModelChange(shop, embedder.model)
    try:
        while True:
            # Each round embeds what was published during the last: soon that is nothing.
            embed_missing(shop, embedder)
            change.build()
            try:
                change.switch()
            except NotCompleteError:
                continue
            return
    except BaseException:
        change.give_up()
        raise


def _texts(session: Session, chunk_ids: Sequence[ChunkId], embedder: Embedder) -> list[str]:
    """What to embed for each of the chunks, as when they were published."""
    rows = session.execute(
        select(ChunkRow, DocumentRow.name)
        .join(DocumentRow, DocumentRow.id == ChunkRow.document_id)
        .where(ChunkRow.id.in_(chunk_ids))
    )
    texts = {chunk.id: _embedded(chunk, name, embedder) for chunk, name in rows}
    return [texts[chunk_id] for chunk_id in chunk_ids]


def _embedded(chunk: ChunkRow, document_name: str, embedder: Embedder) -> str:
    header = chunk.table_header or ""
    text = header + chunk.text
    place = (0, len(header)) if header else None
    span = ChunkSpan(len(header), len(text), chunk.page, chunk.heading, place)
    return embedding_text(document_name, span, text, embedder.tokens)
