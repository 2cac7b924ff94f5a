"""Which chunks belong together, and where each cluster mostly lies. Pure, the same every time."""

import math
from typing import Final

import faiss
import numpy as np
import numpy.typing as npt

from core.segments import Vectors
from retrieval.map.repulsion import Points

_MOST_BY_DEFAULT: Final = 24
_NUM_ROUNDS: Final = 20
_CELLS: Final = 16

Labels = npt.NDArray[np.int64]


def choose_num_clusters(num_points: int) -> int:
    """How many clusters a map of so many points has, unless somebody says otherwise."""
    return max(1, min(_MOST_BY_DEFAULT, round(math.sqrt(num_points / 4))))


def find_clusters(vectors: Vectors, count: int, *, seed: int) -> Labels:
    """Share N vectors of unit length out among at most `count` clusters: (N,), 0 is the largest."""
    if len(vectors) == 0:
        return np.zeros(0, dtype=np.int64)
    kmeans = faiss.Kmeans(
        vectors.shape[1],
        min(count, len(vectors)),
        niter=_NUM_ROUNDS,
        seed=seed + 1,  # 0 would stand for a seed of the library's own
        spherical=True,
        min_points_per_centroid=1,
    )
    kmeans.train(vectors)
    _, nearest = kmeans.index.search(vectors, 1)  # (N, 1)
    _, found, sizes = np.unique(nearest[:, 0], return_inverse=True, return_counts=True)
    rank = np.empty(len(sizes), dtype=np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    labels: Labels = rank[found]
    return labels


def find_heart(places: Points) -> tuple[float, float]:
    """Where most of the points lie: the middle of those in the fullest cell of a grid."""
    cells = np.floor(places * _CELLS).astype(np.int64)  # (N, 2)
    _, of_cell, sizes = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    x, y = places[of_cell.ravel() == sizes.argmax()].mean(axis=0).tolist()
    return x, y
