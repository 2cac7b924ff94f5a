"""Vectors of the questions that were asked last, kept in memory. No words are kept.

docs/decisions/0029-searches-at-a-rate.md says who shares what here, and what that tells whom.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from core.embedding import Embedder, Vectors
from core.tokens import Tokens

_DIGEST_BYTES: Final = 16
_Vector = npt.NDArray[np.float32]
Count = Callable[[int, int], None]
"""How many vectors of questions were asked for, and how many of these were at hand."""


def ignore_count(_num_asked: int, _num_kept: int) -> None:
    """Count nothing."""


class KeptQuestions:
    """An embedder that remembers the questions it embedded last. Thread-safe.

    Two questions are the same where they differ in white space alone, and every question is
    embedded without what they may differ in: a vector never depends on who asked first. Passages
    are embedded as they come.
    """

    def __init__(self, inner: Embedder, *, max_kept: int, count: Count = ignore_count) -> None:
        """max_kept: how many vectors are kept; 0 keeps none."""
        self._inner = inner
        self._max_kept = max_kept
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, _Vector] = OrderedDict()
        self._count = count

    @property
    def model(self) -> str:
        """Name of the model."""
        return self._inner.model

    @property
    def num_dimensions(self) -> int:
        """Length of every vector."""
        return self._inner.num_dimensions

    @property
    def tokens(self) -> Tokens:
        """The model's own tokenizer."""
        return self._inner.tokens

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Embed N questions -> (N, D); the model sees those that are not at hand, once each."""
        named = [(_digest(text), text) for text in (" ".join(text.split()) for text in texts)]
        found = self._find([digest for digest, _ in named])
        missing = {digest: text for digest, text in named if digest not in found}
        if missing:
            vectors = self._inner.embed_queries(list(missing.values()))
            # copied: a row of a batch would keep the whole batch
            made = {digest: row.copy() for digest, row in zip(missing, vectors, strict=True)}
            self._keep(made)
            found |= made
        rows = [found[digest] for digest, _ in named]
        return np.array(rows, dtype=np.float32).reshape(-1, self.num_dimensions)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Embed passages."""
        return self._inner.embed_passages(texts)

    def _find(self, digests: Sequence[bytes]) -> dict[bytes, _Vector]:
        with self._lock:
            found = {digest: self._kept[digest] for digest in digests if digest in self._kept}
            for digest in found:
                self._kept.move_to_end(digest)
        self._count(len(digests), sum(digest in found for digest in digests))
        return found

    def _keep(self, made: Mapping[bytes, _Vector]) -> None:
        with self._lock:
            self._kept |= made
            while len(self._kept) > self._max_kept:
                self._kept.popitem(last=False)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=_DIGEST_BYTES).digest()
