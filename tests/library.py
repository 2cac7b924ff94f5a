"""A small library: documents as publishing leaves them, without running the pipeline."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from core.blobs import FolderBlobStore
from core.database import Database
from core.ids import CollectionId, DocumentId, SegmentId, VersionId, new_id
from core.segment_files import SegmentFiles
from core.segments import SegmentContent, write_segment
from core.tables import (
    ChunkIdRow,
    ChunkRow,
    CollectionRow,
    DeletedChunkRow,
    DocumentRow,
    JobRow,
    ManifestRow,
    SegmentRow,
    VersionRow,
    VersionTextRow,
)
from retrieval.lexical.follower import LexicalFollower
from retrieval.lexical.index import LexicalIndex
from retrieval.reranking import NO_RERANKING, Reranking
from retrieval.retriever import Retriever
from retrieval.segments import SegmentReader
from tests.fakes import FakeEmbedder


@dataclass
class Library:
    """Documents as the publishing step leaves them."""

    database: Database
    root: Path
    embedder: FakeEmbedder
    blobs: FolderBlobStore

    @property
    def segments(self) -> SegmentFiles:
        """Its segments, in no store."""
        return SegmentFiles(self.root)

    def retriever(self, *, reranking: Reranking = NO_RERANKING) -> Retriever:
        """A retriever as a fresh process would build it."""
        segments = SegmentReader(self.database, self.segments, embedding_model=self.embedder.model)
        return Retriever(
            self.database, self.embedder, segments, self.lexical(), reranking=reranking
        )

    def lexical(self) -> LexicalFollower:
        """The lexical index as a fresh process would open it."""
        return LexicalFollower(self.database, LexicalIndex(self.root.parent / "lexical"))

    def add_collection(self, name: str) -> CollectionId:
        """Create a collection."""
        row = CollectionRow(id=new_id("col"), name=name, description="")
        with self.database.session_scope() as session:
            session.add(row)
        return CollectionId(row.id)

    def default_collection(self) -> CollectionId:
        """The collection that always exists."""
        with self.database.read_scope() as session:
            return CollectionId(session.scalars(select(CollectionRow.id)).one())

    def publish(
        self, collection: CollectionId, name: str, texts: list[str], *, language: str | None = None
    ) -> DocumentId:
        """Make a document of these chunks searchable."""
        with self.blobs.begin() as blob:
            blob.write("\n".join(texts).encode())
            blob.keep()
        document, version, segment = new_id("doc"), new_id("ver"), SegmentId(new_id("seg"))
        vectors = self.embedder.embed_passages(texts).astype(np.float16)
        with self.database.session_scope() as session:
            first = _take_chunk_ids(session, len(texts))
        ids = np.arange(first, first + len(texts), dtype=np.int64)
        content = SegmentContent(ids, [collection] * len(texts), vectors.astype(np.float32))
        write_segment(self.root, segment, content)
        with self.database.session_scope() as session:
            session.add(DocumentRow(id=document, collection_id=collection, name=name))
            session.flush()
            session.add(
                VersionRow(
                    id=version,
                    document_id=document,
                    number=1,
                    state="searchable",
                    sha256=blob.sha256,
                    num_bytes=blob.num_bytes,
                    num_chunks=len(texts),
                    embedding_model=self.embedder.model,
                    media_type="text/plain",
                    language=language,
                )
            )
            session.flush()
            session.add(JobRow(id=version, document_id=document, state="searchable"))
            session.add(VersionTextRow(version_id=version, text="\n".join(texts)))
            start = 0
            for ordinal, text in enumerate(texts):
                session.add(
                    ChunkRow(
                        id=int(ids[ordinal]),
                        version_id=VersionId(version),
                        document_id=document,
                        collection_id=collection,
                        ordinal=ordinal,
                        start=start,
                        end=start + len(text),
                        text=text,
                        vector=vectors[ordinal].tobytes(),
                    )
                )
                start += len(text) + 1
            session.add(
                SegmentRow(
                    id=segment,
                    embedding_model=self.embedder.model,
                    num_vectors=len(texts),
                    num_dimensions=vectors.shape[1],
                )
            )
            session.get_one(VersionRow, version).generation = _next_generation(session)
        return DocumentId(document)

    def delete(self, document: DocumentId, *, tombstones: bool = True) -> None:
        """Delete a document; without tombstones only the rows go, as seen by a stale reader."""
        with self.database.session_scope() as session:
            ids = session.scalars(select(ChunkRow.id).where(ChunkRow.document_id == document))
            if tombstones:
                generation = _next_generation(session)
                session.add_all(
                    DeletedChunkRow(chunk_id=chunk_id, generation=generation) for chunk_id in ids
                )
            session.execute(delete(DocumentRow).where(DocumentRow.id == document))


def _next_generation(session: Session) -> int:
    session.execute(update(ManifestRow).values(generation=ManifestRow.generation + 1))
    return session.scalars(select(ManifestRow.generation)).one()


def _take_chunk_ids(session: Session, number: int) -> int:
    first = session.scalars(select(ChunkIdRow.next_id)).one()
    session.execute(update(ChunkIdRow).values(next_id=first + number))
    return first
