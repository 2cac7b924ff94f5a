"""A text set as a searchable library: rows, one segment, a retriever. Measures nothing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
from sqlalchemy import insert, select

import migrations
from core.database import Database
from core.embedding import Embedder
from core.ids import CollectionId, SegmentId, new_id
from core.segments import SegmentContent, write_segment
from core.tables import (
    ChunkRow,
    CollectionRow,
    DocumentRow,
    ManifestRow,
    SegmentRow,
    VersionRow,
)
from retrieval.lexical.follower import LexicalFollower
from retrieval.lexical.index import LexicalIndex
from retrieval.reranking import NO_RERANKING, Reranking
from retrieval.retriever import Retriever
from retrieval.segments import SegmentReader

_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A text of the set: its name there, the document it stands in, its language."""

    name: str
    title: str
    text: str
    language: str

    @property
    def embedded(self) -> str:
        """What is embedded: the document's name, then the text, as ingestion does it."""
        return f"{self.title}\n{self.text}"


@dataclass(frozen=True, slots=True)
class OpenLibrary:
    """A retriever with its reranker, and which paragraph each chunk is."""

    retriever: Retriever
    names: dict[int, str]
    reranking: Reranking


@contextmanager
def open_library(
    paragraphs: Sequence[Paragraph], embedder: Embedder, reranking: Reranking = NO_RERANKING
) -> Iterator[OpenLibrary]:
    """Make the paragraphs searchable, each a chunk of the document of its title."""
    with TemporaryDirectory(prefix="cimiento-retrieval-") as folder:
        root = Path(folder)
        database = Database(f"sqlite:///{root / 'cimiento.db'}")
        migrations.upgrade(database)
        _fill(database, root / "segments", paragraphs, embedder)
        segments = SegmentReader(database, root / "segments", embedding_model=embedder.model)
        lexical = LexicalFollower(database, LexicalIndex(root / "lexical"))
        lexical.current(max_wait_s=600.0)
        names = {number: item.name for number, item in enumerate(paragraphs, start=1)}
        retriever = Retriever(database, embedder, segments, lexical, reranking=reranking)
        yield OpenLibrary(retriever, names, reranking)
        database.close()


def _fill(
    database: Database, root: Path, paragraphs: Sequence[Paragraph], embedder: Embedder
) -> None:
    vectors = embedder.embed_passages([item.embedded for item in paragraphs]).astype(np.float16)
    with database.session_scope() as session:
        collection = CollectionId(session.scalars(select(CollectionRow.id)).one())
        documents = {item.title: item.language for item in paragraphs}
        versions = {title: new_id("ver") for title in documents}
        ids = {title: new_id("doc") for title in documents}
        session.execute(
            insert(DocumentRow),
            [{"id": ids[t], "collection_id": collection, "name": t[:512]} for t in documents],
        )
        session.execute(
            insert(VersionRow),
            [
                {
                    "id": versions[title],
                    "document_id": ids[title],
                    "number": 1,
                    "state": "searchable",
                    "sha256": "0" * 64,
                    "num_bytes": 0,
                    "media_type": "text/plain",
                    "language": language,
                    "embedding_model": embedder.model,
                    "generation": 1,
                }
                for title, language in documents.items()
            ],
        )
        rows = _chunk_rows(paragraphs, vectors, collection, (ids, versions))
        for start in range(0, len(rows), _BATCH):
            session.execute(insert(ChunkRow), rows[start : start + _BATCH])
        content = SegmentContent(
            np.arange(1, len(rows) + 1, dtype=np.int64),
            [collection] * len(rows),
            vectors.astype(np.float32),
        )
        name = SegmentId(new_id("seg"))
        write_segment(root, name, content)
        session.add(
            SegmentRow(
                id=name,
                embedding_model=embedder.model,
                num_vectors=len(rows),
                num_dimensions=vectors.shape[1],
            )
        )
        session.scalars(select(ManifestRow)).one().generation += 1


def _chunk_rows(
    paragraphs: Sequence[Paragraph],
    vectors: npt.NDArray[np.float16],
    collection: CollectionId,
    places: tuple[dict[str, str], dict[str, str]],
) -> list[dict[str, object]]:
    ids, versions = places
    ordinals = {title: count() for title in ids}
    return [
        {
            "id": number,
            "version_id": versions[item.title],
            "document_id": ids[item.title],
            "collection_id": collection,
            "ordinal": next(ordinals[item.title]),
            "start": 0,
            "end": len(item.text),
            "heading": "",
            "text": item.text,
            "vector": vector.astype("<f2").tobytes(),
        }
        for number, (item, vector) in enumerate(zip(paragraphs, vectors, strict=True), start=1)
    ]
