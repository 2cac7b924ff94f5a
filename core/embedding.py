"""Text to vectors. The `Embedder` seam, and a model of this machine behind it; no network, ever."""

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
import numpy.typing as npt

from core.errors import EncoderUnsupportedError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from core.compute_thread import ComputeThread
    from core.encoder import Encoder

# Measured: half as many is 5 % slower, twice as many no faster, and others wait longer for a turn.
_BATCH_TOKENS: Final = 2048

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


class LocalEmbedder:
    """A folder in the layout of sentence-transformers. Loaded at the first use.

    `num_threads` of the processor are used, None takes all; one computation at a time, because two
    at once fight for the same cores and both end later.
    """

    def __init__(self, folder: Path, spec: EmbedderSpec, *, num_threads: int | None = None) -> None:
        self._folder = folder
        self._spec = spec
        self._num_threads = num_threads
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None

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
        """Load the weights now, so that the first caller does not wait.

        Raises `EncoderUnsupportedError`.
        """
        self._get()

    def _embed(self, texts: list[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.num_dimensions), dtype=np.float32)
        loaded = self._get() if texts else None
        if loaded is None:
            return vectors
        sequences = [encoding.ids for encoding in loaded.tokenizer.encode_batch_fast(texts)]
        for batch in _batches([len(ids) for ids in sequences]):
            together = [sequences[index] for index in batch]
            vectors[batch] = loaded.thread.run(partial(loaded.encoder.encode, together)).numpy()
        return vectors

    def _get(self) -> "_Loaded":
        with self._lock:
            if self._loaded is None:
                self._loaded = _load(self._folder, self._spec, self._num_threads)
            return self._loaded


@dataclass(frozen=True, slots=True)
class _Loaded:
    tokenizer: "Tokenizer"
    encoder: "Encoder"
    thread: "ComputeThread"


def _load(folder: Path, spec: EmbedderSpec, num_threads: int | None) -> _Loaded:
    # Imported late: torch takes seconds, and `cimiento --help` must not wait for it.
    from tokenizers import Tokenizer  # noqa: PLC0415

    from core.compute_thread import ComputeThread  # noqa: PLC0415
    from core.encoder import load_encoder  # noqa: PLC0415

    encoder = load_encoder(folder)
    if encoder.config.d_model != spec.num_dimensions:
        raise EncoderUnsupportedError(
            f"{folder.name} gives {encoder.config.d_model} dimensions, not {spec.num_dimensions}"
        )
    limits = json.loads((folder / "sentence_bert_config.json").read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(min(limits["max_seq_length"], encoder.config.max_positions))
    return _Loaded(tokenizer, encoder, ComputeThread("embedder", num_threads=num_threads))


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices, the longest first, in batches of about equally many tokens, few enough for a cache.

    One sequence at least, however long.
    """
    batch: list[int] = []
    num_tokens = 0
    for index in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        if batch and num_tokens + lengths[index] > _BATCH_TOKENS:
            yield batch
            batch, num_tokens = [], 0
        batch.append(index)
        num_tokens += lengths[index]
    if batch:
        yield batch
