"""A collection to its map: the story of this package. Changes no row."""

import threading
from collections import OrderedDict
from typing import Final

import numpy as np
import numpy.typing as npt
from sqlalchemy.orm import Session

from core.database import Database
from core.generation import read_generation
from core.ids import CollectionId
from core.segment_building import compute_threads
from core.segments import Vectors
from retrieval.map.clusters import Labels, choose_num_clusters, find_clusters, find_heart
from retrieval.map.layout import lay_out, principal_axes
from retrieval.map.options import MapOptions
from retrieval.map.repulsion import Points
from retrieval.map.rows import Chosen, choose_chunks, load_documents, load_texts, load_vectors
from retrieval.map.terms import name_clusters
from retrieval.map.types import Cluster, CollectionMap

# So many directions hold what tells neighbours apart, at a third of the time of all.
_NUM_DIRECTIONS: Final = 128
_MAX_SAMPLE: Final = 20_000
_BATCH: Final = 1_000
_KEPT: Final = 4

_Key = tuple[CollectionId, MapOptions, int]


class Mapper:
    """Draws maps, one at a time, and keeps the last few. Thread-safe."""

    def __init__(self, database: Database, *, num_threads: int) -> None:
        self._database = database
        self._num_threads = num_threads
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, CollectionMap] = OrderedDict()

    def draw(self, collection: CollectionId, options: MapOptions) -> CollectionMap:
        """The map of a collection as it is now; an empty one has no points.

        Whether the caller may see the collection is for the caller of this to know.
        """
        with self._lock:
            key = (collection, options, read_generation(self._database))
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            made = self._draw(collection, options)
            self._kept[collection, options, made.generation] = made
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return made

    def _draw(self, collection: CollectionId, options: MapOptions) -> CollectionMap:
        with self._database.read_scope() as session:
            chosen = choose_chunks(session, collection, options)
            vectors = load_vectors(session, chosen.chunk_ids)
        num_clusters = options.num_clusters or choose_num_clusters(len(vectors))
        with compute_threads(self._num_threads):
            narrow = narrow_down(vectors, seed=options.seed)
            labels = find_clusters(narrow, num_clusters, seed=options.seed)
            places = lay_out(narrow, seed=options.seed)
        with self._database.read_scope() as session:
            return _name(session, chosen, places, labels)


def narrow_down(vectors: npt.NDArray[np.float16], *, seed: int) -> Vectors:
    """The directions along which the vectors differ most, of unit length: (N, D) -> (N, d)."""
    if len(vectors) == 0:
        return np.zeros((0, 1), dtype=np.float32)
    draw = np.random.default_rng(seed)
    rows = draw.choice(len(vectors), min(len(vectors), _MAX_SAMPLE), replace=False)
    sample = vectors[np.sort(rows)].astype(np.float32)
    middle, axes = sample.mean(axis=0), principal_axes(sample, _NUM_DIRECTIONS)
    narrow = np.concatenate(
        [
            (vectors[start : start + _BATCH].astype(np.float32) - middle) @ axes
            for start in range(0, len(vectors), _BATCH)
        ]
    )
    # one that lies in the very middle has no direction: it stays where it is
    lengths = np.maximum(np.linalg.norm(narrow, axis=1, keepdims=True), 1e-6)
    return np.ascontiguousarray(narrow / lengths, dtype=np.float32)


def _name(session: Session, chosen: Chosen, places: Points, labels: Labels) -> CollectionMap:
    """Put the map together from what is live by now: what was deleted meanwhile is left out."""
    documents = load_documents(session, chosen)
    is_live = np.array([chunk_id in documents for chunk_id in chosen.chunk_ids.tolist()], bool)
    chunk_ids, places, labels = chosen.chunk_ids[is_live], places[is_live], labels[is_live]
    present, labels = np.unique(labels, return_inverse=True)  # a whole cluster may be gone
    members = [np.flatnonzero(labels == label) for label in range(len(present))]
    terms = name_clusters([load_texts(session, chunk_ids[rows]) for rows in members])
    clusters = tuple(
        Cluster(words, len(rows), *find_heart(places[rows]))
        for words, rows in zip(terms, members, strict=True)
    )
    return CollectionMap(
        generation=chosen.generation,
        num_chunks=chosen.num_chunks - int((~is_live).sum()),
        chunk_ids=chunk_ids,
        document_ids=[documents[chunk_id] for chunk_id in chunk_ids.tolist()],
        places=places,
        labels=labels,
        clusters=clusters,
    )
