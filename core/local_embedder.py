"""Text to vectors by a model of this machine, behind the `Embedder` seam; no network, ever."""

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from tokenizers import Tokenizer

from core.compute_thread import ComputeThread
from core.embedding import EmbedderSpec, Vectors
from core.encoder import load_encoder
from core.encoding_together import EncodingTogether
from core.errors import EncoderUnsupportedError
from core.tokens import FolderTokens

# Measured: half as many is 5 % slower, twice as many no faster, and others wait longer for a turn.
_BATCH_TOKENS: Final = 2048
# Of callers that wait together: some 17 questions. If all that wait went in one pass, they would
# all go on together too, and the encoder would stand still until they come back.
_TOGETHER_TOKENS: Final = 384


@dataclass(frozen=True, slots=True)
class _Loaded:
    tokenizer: Tokenizer
    together: EncodingTogether


class LocalEmbedder:
    """A folder in the layout of sentence-transformers. Loaded at the first use.

    `num_threads` of the processor are used, None takes all; one computation at a time, because two
    at once fight for the same cores and both end later. What waits for it is computed together.
    """

    def __init__(self, folder: Path, spec: EmbedderSpec, *, num_threads: int | None = None) -> None:
        self.tokens = FolderTokens(folder)
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
            vectors[batch] = loaded.together.submit([sequences[index] for index in batch]).result()
        return vectors

    def _get(self) -> _Loaded:
        with self._lock:
            if self._loaded is None:
                self._loaded = _load(self._folder, self._spec, self._num_threads)
            return self._loaded


def _load(folder: Path, spec: EmbedderSpec, num_threads: int | None) -> _Loaded:
    encoder = load_encoder(folder)
    if encoder.config.d_model != spec.num_dimensions:
        raise EncoderUnsupportedError(
            f"{folder.name} gives {encoder.config.d_model} dimensions, not {spec.num_dimensions}"
        )
    limits = json.loads((folder / "sentence_bert_config.json").read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(min(limits["max_seq_length"], encoder.config.max_positions))
    thread = ComputeThread("embedder", num_threads=num_threads)
    return _Loaded(tokenizer, EncodingTogether(encoder.encode, thread, max_tokens=_TOGETHER_TOKENS))


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
