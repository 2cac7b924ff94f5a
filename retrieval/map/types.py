"""What a map is. Plain data: columns for the points, for there may be a hundred thousand."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.ids import DocumentId


@dataclass(frozen=True, slots=True)
class Cluster:
    """Chunks that are alike, and where most of them lie; the first of `terms` tells most."""

    terms: tuple[str, ...]
    num_points: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class CollectionMap:
    """N chunks in the square from 0 to 1, and the clusters that they are in, the largest first.

    `chunk_ids` is (N,), `places` (N, 2), `labels` (N,), each an index into `clusters`.
    `num_chunks` counts those of the collection, drawn or not.
    """

    generation: int
    num_chunks: int
    chunk_ids: npt.NDArray[np.int64]
    document_ids: Sequence[DocumentId]
    places: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64]
    clusters: tuple[Cluster, ...]
