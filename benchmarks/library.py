"""Chunks made searchable as publishing leaves them, for benchmarks that fill an index."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import insert, update

from core.database import Database
from core.ids import CollectionId, SegmentId, new_id
from core.segments import SegmentContent, Vectors, write_segment
from core.tables import ChunkRow, DocumentRow, ManifestRow, SegmentRow, VersionRow

_BATCH: Final = 1_000


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document of one version."""

    id: str
    name: str
    collection_id: CollectionId
    language: str | None = None

    @property
    def version_id(self) -> str:
        """Id of its version."""
        return f"ver_{self.id}"


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A chunk of a document. Without a `start` of its own it counts as a text of its own."""

    id: int
    document: NewDocument
    ordinal: int
    text: str
    start: int = 0


def publish(
    database: Database,
    segments_root: Path,
    chunks: Sequence[NewChunk],
    vectors: Vectors,
    *,
    model: str,
    keeps_vectors: bool = True,
) -> None:
    """Make new documents searchable: a flat segment, then one transaction.

    The (N, D) vectors are rounded as SQL keeps them. Merging reads segments and no row, so that
    rows may be made without theirs.
    """
    halves = vectors.astype(np.float16)
    documents = list(dict.fromkeys(chunk.document for chunk in chunks))
    segment_id = SegmentId(new_id("seg"))
    content = SegmentContent(
        np.array([chunk.id for chunk in chunks], dtype=np.int64),
        [chunk.document.collection_id for chunk in chunks],
        halves.astype(np.float32),
    )
    write_segment(segments_root, segment_id, content)
    with database.session_scope() as session:
        session.execute(insert(DocumentRow), [_document_row(each) for each in documents])
        session.execute(insert(VersionRow), [_version_row(each, model) for each in documents])
        rows = _chunk_rows(chunks, halves if keeps_vectors else halves[:, :0])
        while batch := list(islice(rows, _BATCH)):
            session.execute(insert(ChunkRow), batch)
        num_vectors, num_dimensions = vectors.shape
        session.add(
            SegmentRow(
                id=segment_id,
                embedding_model=model,
                num_vectors=num_vectors,
                num_dimensions=num_dimensions,
            )
        )
        session.execute(update(ManifestRow).values(generation=ManifestRow.generation + 1))


def _document_row(document: NewDocument) -> dict[str, object]:
    name = document.name[:512]
    return {"id": document.id, "collection_id": document.collection_id, "name": name}


def _version_row(document: NewDocument, model: str) -> dict[str, object]:
    return {
        "id": document.version_id,
        "document_id": document.id,
        "number": 1,
        "state": "searchable",
        "sha256": "0" * 64,
        "num_bytes": 0,
        "media_type": "text/plain",
        "language": document.language,
        "embedding_model": model,
        "generation": 1,
    }


def _chunk_rows(
    chunks: Sequence[NewChunk], vectors: npt.NDArray[np.float16]
) -> Iterator[dict[str, object]]:
    for chunk, vector in zip(chunks, vectors, strict=True):
        yield {
            "id": chunk.id,
            "version_id": chunk.document.version_id,
            "document_id": chunk.document.id,
            "collection_id": chunk.document.collection_id,
            "ordinal": chunk.ordinal,
            "start": chunk.start,
            "end": chunk.start + len(chunk.text),
            "heading": "",
            "text": chunk.text,
            "vector": vector.astype("<f2").tobytes(),
        }
