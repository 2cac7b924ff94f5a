"""A synthetic library of any size: clustered vectors, and a row for every chunk.

The vectors lie in clusters of clusters, each spread along a few directions of its own and a little
along all: near neighbours are near for a reason, as those of text are, and a query has no copy of
itself among them. One chunk in a hundred belongs to a collection of its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import insert, update

import migrations
from core.database import Database
from core.ids import CollectionId, SegmentId, new_id
from core.segments import SegmentContent, Vectors, write_segment
from core.tables import (
    ChunkRow,
    CollectionRow,
    DocumentRow,
    ManifestRow,
    SegmentRow,
    VersionRow,
    now,
)

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
        publish(shelf, database, first, vectors)
    database.close()


def publish(
    shelf: Shelf, database: Database, first: int, vectors: Vectors, texts: Sequence[str] = ()
) -> None:
    """Make chunks searchable as ingestion does: a segment, then one transaction.

    Rows hold their vectors only with `texts` of their own.
    """
    ids = np.arange(first, first + len(vectors), dtype=np.int64)
    owners = [RARE if _document_of(chunk_id) % 100 == 0 else COMMON for chunk_id in ids.tolist()]
    segment_id = SegmentId(new_id("seg"))
    write_segment(shelf.segments_root, segment_id, SegmentContent(ids, owners, vectors))
    with database.session_scope() as session:
        documents = sorted({_document_of(chunk_id) for chunk_id in ids.tolist()})
        session.execute(insert(DocumentRow), [_document_row(number) for number in documents])
        session.execute(insert(VersionRow), [_version_row(number) for number in documents])
        rows = list(_chunk_rows(ids.tolist(), owners))
        for row, text, vector in zip(rows, texts, vectors, strict=False):
            row |= {"text": text, "vector": vector.astype("<f2").tobytes()}
        session.execute(insert(ChunkRow), rows)
        session.add(
            SegmentRow(
                id=segment_id,
                embedding_model=MODEL,
                num_vectors=len(ids),
                num_dimensions=NUM_DIMENSIONS,
            )
        )
        session.execute(update(ManifestRow).values(generation=ManifestRow.generation + 1))


def _document_of(chunk_id: int) -> int:
    return chunk_id // _CHUNKS_A_DOCUMENT


def _document_row(number: int) -> dict[str, object]:
    owner = RARE if number % 100 == 0 else COMMON
    return {"id": f"doc_{number}", "collection_id": owner, "name": f"{number}.txt"}


def _version_row(number: int) -> dict[str, object]:
    return {
        "id": f"ver_{number}",
        "document_id": f"doc_{number}",
        "number": 1,
        "state": "searchable",
        "sha256": f"{number:064x}",
        "num_bytes": 0,
        "num_chunks": _CHUNKS_A_DOCUMENT,
        "media_type": "text/plain",
        "embedding_model": MODEL,
        "created_at": now(),
    }


def _chunk_rows(ids: list[int], owners: list[CollectionId]) -> Iterator[dict[str, object]]:
    for chunk_id, owner in zip(ids, owners, strict=True):
        document, ordinal = divmod(chunk_id, _CHUNKS_A_DOCUMENT)
        yield {
            "id": chunk_id,
            "version_id": f"ver_{document}",
            "document_id": f"doc_{document}",
            "collection_id": owner,
            "ordinal": ordinal,
            "start": 0,
            "end": 9,
            "page": None,
            "heading": "",
            "text": f"chunk {chunk_id}",
            # merging reads segments, never this: a million vectors more on disk would show nothing
            "vector": b"",
        }


def _unit(vectors: npt.NDArray[np.floating[Any]]) -> Vectors:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / norms, dtype=np.float32)
