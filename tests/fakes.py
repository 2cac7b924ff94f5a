"""Fakes that keep the contracts of the real adapters, without weights."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


class FakeTokens:
    """Every word is a token, and so is every mark."""

    max_tokens = 512

    def starts(self, text: str) -> npt.NDArray[np.int64]:
        """Offset of every word and mark."""
        found = [match.start() for match in re.finditer(r"\w+|[^\w\s]", text)]
        return np.array(found, dtype=np.int64)


class FakeEmbedder:
    """Bag of words hashed into D dimensions: texts that share words are near. Deterministic."""

    def __init__(self, *, model: str = "fake-embedder", num_dimensions: int = 64) -> None:
        self.model = model
        self.num_dimensions = num_dimensions
        self.tokens = FakeTokens()

    def embed_queries(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed N questions -> (N, D)."""
        return self._embed(texts)

    def embed_passages(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed N passages -> (N, D)."""
        return self._embed(texts)

    def _embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        vectors = np.zeros((len(texts), self.num_dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.lower()):
                digest = hashlib.sha256(word.encode()).digest()
                vectors[row, int.from_bytes(digest[:4], "little") % self.num_dimensions] += 1.0
            # an empty text has a direction too: a zero vector would not be of unit length
            vectors[row, 0] += 1e-3
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: npt.NDArray[np.float32] = (vectors / norms).astype(np.float32)
        return unit
