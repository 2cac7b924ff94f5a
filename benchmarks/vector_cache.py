"""Vectors of texts that were embedded before, in memory and on disk."""

import hashlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.embedding import Embedder

_PIECE = 256


class CachedEmbedder:
    """Embeds every text once: the same sentences come up for many questions."""

    def __init__(self, inner: Embedder) -> None:
        self.model = inner.model
        self.num_dimensions = inner.num_dimensions
        self.tokens = inner.tokens
        self._inner = inner
        self._vectors: dict[str, npt.NDArray[np.float32]] = {}

    def embed_queries(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed N questions -> (N, D)."""
        return self._inner.embed_queries(texts)

    def embed_passages(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed N passages -> (N, D), each text once in this process."""
        new = sorted({text for text in texts if text not in self._vectors}, key=len)
        for text, vector in zip(new, self._inner.embed_passages(new), strict=True):
            self._vectors[text] = vector
        return np.stack([self._vectors[text] for text in texts])


class StoredEmbedder:
    """An embedder that keeps every vector, as float16, in a SQLite file.

    Embedding a corpus takes most of an hour on two cores; measuring how it is searched should not
    wait for it twice. float16 is what the service itself keeps.
    """

    def __init__(self, inner: Embedder, path: Path) -> None:
        self.model = inner.model
        self.num_dimensions = inner.num_dimensions
        self.tokens = inner.tokens
        self._inner = inner
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = sqlite3.connect(path, timeout=60, check_same_thread=False)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, value BLOB)")

    def embed_queries(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed N questions -> (N, D)."""
        return self._embed("query", texts)

    def embed_passages(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed N passages -> (N, D)."""
        return self._embed("passage", texts)

    def has(self, text: str) -> bool:
        """Whether this passage has a vector already."""
        return self._find("passage", text) is not None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _embed(self, kind: str, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        found = {text: self._find(kind, text) for text in texts}
        # texts of like length side by side: a batch is as long as its longest
        new = sorted((text for text, vector in found.items() if vector is None), key=len)
        for start in range(0, len(new), _PIECE):
            piece = new[start : start + _PIECE]
            vectors = self._compute(kind, piece)
            rows = [
                (self._key(kind, text), vector.astype("<f2").tobytes())
                for text, vector in zip(piece, vectors, strict=True)
            ]
            with self._file:
                self._file.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
            found.update(zip(piece, vectors.astype(np.float16).astype(np.float32), strict=True))
        return np.stack([vector for text in texts if (vector := found[text]) is not None])

    def _compute(self, kind: str, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        if kind == "query":
            return self._inner.embed_queries(texts)
        return self._inner.embed_passages(texts)

    def _find(self, kind: str, text: str) -> npt.NDArray[np.float32] | None:
        query = "SELECT value FROM vectors WHERE key = ?"
        row = self._file.execute(query, (self._key(kind, text),)).fetchone()
        return None if row is None else np.frombuffer(row[0], dtype="<f2").astype(np.float32)

    def _key(self, kind: str, text: str) -> bytes:
        return hashlib.sha256(f"{self.model}\0{kind}\0{text}".encode()).digest()
