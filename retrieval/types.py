"""What retrieval takes and gives, besides `core.types.Passage`. Plain data."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.ids import ChunkId

ChunkIds = npt.NDArray[np.int64]
"""Chunk ids, ascending, each once: what a filter leaves to search among."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk id and the score it was found with."""

    chunk_id: ChunkId
    score: float
