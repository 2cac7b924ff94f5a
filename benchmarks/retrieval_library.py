"""A text set as a searchable library: rows, one segment, a retriever. Measures nothing."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import select

import migrations
from benchmarks.library import NewChunk, NewDocument, publish
from core.database import Database
from core.embedding import Embedder
from core.ids import CollectionId, new_id
from core.segment_files import SegmentFiles
from core.tables import CollectionRow
from retrieval.lexical.follower import LexicalFollower
from retrieval.lexical.index import LexicalIndex
from retrieval.reranking import NO_RERANKING, Reranking
from retrieval.retriever import Retriever
from retrieval.segments import SegmentReader


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A text of the set: its name there, the document it stands in, its language, its offset."""

    name: str
    title: str
    text: str
    language: str
    start: int = 0

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
        with database.read_scope() as session:
            owner = CollectionId(session.scalars(select(CollectionRow.id)).one())
        vectors = embedder.embed_passages([item.embedded for item in paragraphs])
        chunks = list(_chunks(paragraphs, owner))
        publish(database, root / "segments", chunks, vectors, model=embedder.model)
        segments = SegmentReader(
            database, SegmentFiles(root / "segments"), embedding_model=embedder.model
        )
        lexical = LexicalFollower(database, LexicalIndex(root / "lexical"))
        lexical.current(max_wait_s=600.0)
        names = {number: item.name for number, item in enumerate(paragraphs, start=1)}
        retriever = Retriever(database, embedder, segments, lexical, reranking=reranking)
        yield OpenLibrary(retriever, names, reranking)
        database.close()


def _chunks(paragraphs: Sequence[Paragraph], owner: CollectionId) -> Iterator[NewChunk]:
    documents: dict[str, NewDocument] = {}
    ordinals: Counter[str] = Counter()
    for number, item in enumerate(paragraphs, start=1):
        new = NewDocument(new_id("doc"), item.title, owner, item.language)
        document = documents.setdefault(item.title, new)
        yield NewChunk(number, document, ordinals[item.title], item.text, item.start)
        ordinals[item.title] += 1
