"""Hits to passages, through a join with live rows: what is deleted is never returned."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row, bindparam, select
from sqlalchemy.orm import Session

from core.access import Access
from core.ids import ChunkId, CollectionId, DocumentId, VersionId
from core.tables import ChunkRow, CollectionRow, DocumentRow, VersionRow
from core.types import Passage
from retrieval.types import Hit

# Built once: putting a statement together costs more than SQLite takes to answer it.
_LIVE: Final = (
    select(
        ChunkRow.id,
        ChunkRow.version_id,
        ChunkRow.page,
        ChunkRow.start,
        ChunkRow.end,
        ChunkRow.heading,
        ChunkRow.text,
        ChunkRow.table_header,
        VersionRow.number,
        DocumentRow.id.label("document_id"),
        DocumentRow.name.label("document_name"),
        DocumentRow.collection_id,
        CollectionRow.name.label("collection"),
    )
    .join(VersionRow, VersionRow.id == ChunkRow.version_id)
    .join(DocumentRow, DocumentRow.id == VersionRow.document_id)
    .join(CollectionRow, CollectionRow.id == DocumentRow.collection_id)
    .where(ChunkRow.id.in_(bindparam("chunk_ids", expanding=True)))
    .where(VersionRow.state == "searchable")
)
_VISIBLE: Final = _LIVE.where(CollectionRow.id.in_(bindparam("collection_ids", expanding=True)))


def load_passages(session: Session, hits: Sequence[Hit], *, access: Access) -> list[Passage]:
    """Load the passages of the hits that are live and visible, in the order of the hits."""
    asked: dict[str, object] = {"chunk_ids": [hit.chunk_id for hit in hits]}
    if access.collection_ids is None:
        found = session.execute(_LIVE, asked)
    else:
        found = session.execute(_VISIBLE, asked | {"collection_ids": list(access.collection_ids)})
    rows = {row.id: row for row in found}
    return [_passage(rows[hit.chunk_id], hit) for hit in hits if hit.chunk_id in rows]


def _passage(row: Row[*tuple[Any, ...]], hit: Hit) -> Passage:
    return Passage(
        id=ChunkId(row.id),
        document_id=DocumentId(row.document_id),
        document_name=row.document_name,
        version_id=VersionId(row.version_id),
        version=row.number,
        collection_id=CollectionId(row.collection_id),
        collection=row.collection,
        page=row.page,
        start=row.start,
        end=row.end,
        heading=row.heading,
        text=row.text,
        score=hit.score,
        scores=hit.scores,
        table_header=row.table_header,
    )
