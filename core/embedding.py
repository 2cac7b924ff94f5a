"""Text to vectors: the `Embedder` seam. Computes nothing, so that askers need no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from core.tokens import Tokens

Vectors = npt.NDArray[np.float32]


class Embedder(Protocol):
    """Turns text into unit vectors. Thread-safe."""

    @property
    def model(self) -> str:
        """Name of the model; vectors of different names never meet in one search."""
        ...

    @property
    def num_dimensions(self) -> int:
        """D, the length of every vector."""
        ...

    @property
    def tokens(self) -> Tokens:
        """The model's own tokenizer; using it loads no weights."""
        ...

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Embed N questions -> (N, D) float32, unit length."""
        ...

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Embed N passages -> (N, D) float32, unit length."""
        ...


@dataclass(frozen=True, slots=True)
class EmbedderSpec:
    """What must be known of an embedding model before it is loaded."""

    model: str
    num_dimensions: int
    query_prefix: str
    passage_prefix: str
