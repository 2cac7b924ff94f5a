"""What retrieval takes and gives, besides `core.types.Passage`. Plain data."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from core.ids import ChunkId

ChunkIds = npt.NDArray[np.int64]
"""Chunk ids, ascending, each once: what a filter leaves to search among."""


class Mode(StrEnum):
    """By what passages are found: meaning, words, or both."""

    HYBRID = "hybrid"
    DENSE = "dense"
    LEXICAL = "lexical"


@dataclass(frozen=True, slots=True)
class Refining:
    """What is done with what was found, before it is returned.

    rerank: have the reranker read the passages with the question; None where one is set.
    keep_duplicates: return passages too that say nothing which a better one does not say.
    diversity: 0 to 1, how much unlikeness counts against relevance.
    merge: join passages that stand side by side in one section; fewer are returned then.
    neighbours: put so many chunks of its section around each passage, and join what then touches.
    split: search the parts of a question that asks several things as well.
    """

    rerank: bool | None = None
    keep_duplicates: bool = False
    diversity: float = 0.0
    merge: bool = False
    neighbours: int = 0
    split: bool = False


PLAIN: Final = Refining()


class Hit(NamedTuple):
    """A chunk id and the score it was found with; `scores` are those of each ranker.

    A tuple, for a search makes dozens: as a frozen dataclass each costs a microsecond more.
    """

    chunk_id: ChunkId
    score: float
    scores: Mapping[str, float] = MappingProxyType({})
