"""Text to vectors. The `Embedder` seam, and sentence-transformers behind it; no network, ever."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

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


class SentenceTransformerEmbedder:
    """A sentence-transformers folder. Loaded at the first use; one computation at a time."""

    def __init__(self, folder: Path, spec: EmbedderSpec, *, batch_size: int = 32) -> None:
        self._folder = folder
        self._spec = spec
        self._batch_size = batch_size
        self._lock = threading.Lock()
        self._loaded: SentenceTransformer | None = None

    @property
    def model(self) -> str:
        """Name of the model."""
        return self._spec.model

    @property
    def num_dimensions(self) -> int:
        """Length of every vector."""
        return self._spec.num_dimensions

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Embed questions."""
        return self._embed([self._spec.query_prefix + text for text in texts])

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Embed passages."""
        return self._embed([self._spec.passage_prefix + text for text in texts])

    def load(self) -> None:
        """Load the weights now, so that the first caller does not wait."""
        with self._lock:
            self._model()

    def _embed(self, texts: list[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self.num_dimensions), dtype=np.float32)
        # One at a time: two encodes at once fight for the same cores and both end later.
        with self._lock:
            vectors = self._model().encode(
                texts,
                batch_size=self._batch_size,
                normalize_embeddings=True,
                show_progress_bar=False,
            )
        return np.asarray(vectors, dtype=np.float32)

    def _model(self) -> "SentenceTransformer":
        if self._loaded is None:
            # Imported late: it takes seconds, and `cimiento --help` must not wait for it.
            from sentence_transformers import SentenceTransformer  # noqa: PLC0415
            from transformers.utils.logging import disable_progress_bar  # noqa: PLC0415

            disable_progress_bar()  # type: ignore[no-untyped-call]  # it has no types
            self._loaded = SentenceTransformer(
                str(self._folder), device="cpu", local_files_only=True
            )
        return self._loaded
