"""Hits to passages, through a join with live rows: what is deleted is never returned."""

from collections.abc import Sequence

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from core.access import Access
from core.ids import ChunkId, CollectionId, DocumentId, VersionId
from core.tables import ChunkRow, CollectionRow, DocumentRow, VersionRow
from core.types import Passage
from retrieval.types import Hit


def load_passages(session: Session, hits: Sequence[Hit], *, access: Access) -> list[Passage]:
    """Load the passages of the hits that are live and visible, in the order of the hits."""
    statement = (
        select(ChunkRow, VersionRow.number, DocumentRow, CollectionRow.name)
        .join(VersionRow, VersionRow.id == ChunkRow.version_id)
        .join(DocumentRow, DocumentRow.id == VersionRow.document_id)
        .join(CollectionRow, CollectionRow.id == DocumentRow.collection_id)
        .where(ChunkRow.id.in_([hit.chunk_id for hit in hits]))
        .where(VersionRow.state == "searchable")
    )
    if access.collection_ids is not None:
        statement = statement.where(CollectionRow.id.in_(access.collection_ids))
    rows = {row.ChunkRow.id: row for row in session.execute(statement)}
    return [_passage(rows[hit.chunk_id], hit) for hit in hits if hit.chunk_id in rows]


def _passage(row: Row[ChunkRow, int, DocumentRow, str], hit: Hit) -> Passage:
    chunk, number, document, collection = row
    return Passage(
        id=ChunkId(chunk.id),
        document_id=DocumentId(document.id),
        document_name=document.name,
        version_id=VersionId(chunk.version_id),
        version=number,
        collection_id=CollectionId(document.collection_id),
        collection=collection,
        page=chunk.page,
        start=chunk.start,
        end=chunk.end,
        heading=chunk.heading,
        text=chunk.text,
        score=hit.score,
        scores=hit.scores,
        table_header=chunk.table_header,
    )
