"""A synthetic library of any size: clustered vectors, and a row for every chunk.

The vectors lie in clusters of clusters, each spread along a few directions of its own and a little
along all: near neighbours are near for a reason, as those of text are, and a query has no copy of
itself among them. One chunk in a hundred belongs to a collection of its own.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

import migrations
from benchmarks.library import NewChunk, NewDocument, publish
from core.database import Database
from core.ids import CollectionId
from core.segments import Vectors
from core.tables import CollectionRow

MODEL: Final = "synthetic"
NUM_DIMENSIONS: Final = 384
RARE: Final = CollectionId("col_rare")
COMMON: Final = CollectionId("col_common")
BATCH: Final = 10_000
_NUM_TOPICS: Final = 200
_NUM_CLUSTERS: Final = 1_000
_NUM_DIRECTIONS: Final = 24
# a few directions matter much, most a little
_SPREAD: Final = (0.6 / np.arange(1, _NUM_DIRECTIONS + 1) ** 0.7).astype(np.float32)
_CHUNKS_A_DOCUMENT: Final = 100


class Distribution:
    """Where vectors come from; the same seed gives the same vectors."""

    def __init__(self, seed: int = 0) -> None:
        draw = np.random.default_rng(seed)
        topics = _unit(draw.standard_normal((_NUM_TOPICS, NUM_DIMENSIONS)))
        of_topic = topics[draw.integers(0, _NUM_TOPICS, _NUM_CLUSTERS)]
        own = _unit(draw.standard_normal((_NUM_CLUSTERS, NUM_DIMENSIONS)))
        self._centres = _unit(of_topic + 0.7 * own)
        shape = (_NUM_TOPICS, _NUM_DIRECTIONS, NUM_DIMENSIONS)
        self._directions = _unit(draw.standard_normal(shape))
        self._seed = seed

    def draw(self, number: int, count: int) -> Vectors:
        """Batch `number`: (count, D) unit vectors, rounded as SQL keeps them."""
        draw = np.random.default_rng([self._seed, number])
        clusters = draw.integers(0, _NUM_CLUSTERS, count)
        along = draw.standard_normal((count, _NUM_DIRECTIONS)).astype(np.float32) * _SPREAD
        vectors = self._centres[clusters]
        for topic in range(_NUM_TOPICS):
            rows = np.flatnonzero(clusters % _NUM_TOPICS == topic)
            vectors[rows] += along[rows] @ self._directions[topic]
        vectors += 0.01 * draw.standard_normal((count, NUM_DIMENSIONS)).astype(np.float32)
        return _unit(vectors).astype(np.float16).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Shelf:
    """The folder of a library under test."""

    folder: Path

    @property
    def segments_root(self) -> Path:
        return self.folder / "segments"

    def open(self) -> Database:
        return Database(f"sqlite:///{self.folder / 'cimiento.db'}")


def create(shelf: Shelf) -> None:
    """An empty library with two collections."""
    database = shelf.open()
    migrations.upgrade(database)
    with database.session_scope() as session:
        session.add_all(
            CollectionRow(id=name, name=name.removeprefix("col_"), description="")
            for name in (COMMON, RARE)
        )
    database.close()


def add_chunks(shelf: Shelf, distribution: Distribution, batches: range) -> None:
    """Add whole batches of chunks, each as one flat segment. Ids are positions, from 0 on."""
    database = shelf.open()
    for number in batches:
        first = number * BATCH
        vectors = distribution.draw(number, BATCH)
        add_batch(shelf, database, first, vectors)
    database.close()


def add_batch(
    shelf: Shelf, database: Database, first: int, vectors: Vectors, texts: Sequence[str] = ()
) -> None:
    """Add the chunks from id `first` on, one a vector, a hundred a document.

    Rows hold their vectors only with `texts` of their own: a million more on the disk would show
    nothing.
    """
    chunks = [
        _chunk(chunk_id, text)
        for chunk_id, text in itertools.zip_longest(range(first, first + len(vectors)), texts)
    ]
    publish(database, shelf.segments_root, chunks, vectors, model=MODEL, keeps_vectors=bool(texts))


def _chunk(chunk_id: int, text: str | None) -> NewChunk:
    number, ordinal = divmod(chunk_id, _CHUNKS_A_DOCUMENT)
    document = NewDocument(f"doc_{number}", f"{number}.txt", COMMON if number % 100 else RARE)
    return NewChunk(chunk_id, document, ordinal, text or f"chunk {chunk_id}")


def _unit(vectors: npt.NDArray[np.floating[Any]]) -> Vectors:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / norms, dtype=np.float32)
