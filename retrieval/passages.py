"""Hits to passages, through a join with live rows: what is deleted is never returned."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import bindparam, select

from core.access import Access
from core.database import Database
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
        DocumentRow.id,
        DocumentRow.name,
        DocumentRow.collection_id,
        CollectionRow.name,
    )
    .join(VersionRow, VersionRow.id == ChunkRow.version_id)
    .join(DocumentRow, DocumentRow.id == VersionRow.document_id)
    .join(CollectionRow, CollectionRow.id == DocumentRow.collection_id)
    .where(ChunkRow.id.in_(bindparam("chunk_ids", expanding=True)))
    .where(VersionRow.state == "searchable")
)
_VISIBLE: Final = _LIVE.where(CollectionRow.id.in_(bindparam("collection_ids", expanding=True)))


def load_passages(database: Database, hits: Sequence[Hit], *, access: Access) -> list[Passage]:
    """Load the passages of the hits that are live and visible now, in the order of the hits."""
    asked: dict[str, object] = {"chunk_ids": [hit.chunk_id for hit in hits]}
    if access.collection_ids is None:
        found = database.read_rows(_LIVE, asked)
    else:
        asked["collection_ids"] = list(access.collection_ids)
        found = database.read_rows(_VISIBLE, asked)
    rows = {row[0]: row for row in found}
    return [_passage(rows[hit.chunk_id], hit) for hit in hits if hit.chunk_id in rows]


def _passage(row: tuple[Any, ...], hit: Hit) -> Passage:
    # in the order of the statement's columns
    chunk_id, version_id, page, start, end, heading, text, table_header, number, *where = row
    document_id, document_name, collection_id, collection = where
    return Passage(
        id=ChunkId(chunk_id),
        document_id=DocumentId(document_id),
        document_name=document_name,
        version_id=VersionId(version_id),
        version=number,
        collection_id=CollectionId(collection_id),
        collection=collection,
        page=page,
        start=start,
        end=end,
        heading=heading,
        text=text,
        score=hit.score,
        scores=hit.scores,
        table_header=table_header,
    )
