"""The embedding model as `cimiento train extractor` taught it to point at answers. Trains nothing.

What learnt are low-rank paths beside the products of its encoder, and two scores for every token.
The encoder is loaded a second time with them, but for its vocabulary, whose pages are shared.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import safetensors
import torch
from torch import Tensor

from core.blobs import hash_file
from core.compute_thread import ComputeThread
from core.encoder import Encoder, EncoderConfig, default_dtype
from core.errors import EncoderUnsupportedError
from generation.engine.adapters import Adapter, load_with_others
from generation.engine.errors import WeightsFileError
from generation.errors import ModelUnusableError
from generation.extracting import Extraction
from generation.local_model import hash_files
from generation.pointing import PairTokenizer, TokenizedPair, extract

FORMAT: Final = "cimiento-extractor-1"
_HEAD: Final = ("head.weight", "head.bias")
_WINDOW: Final = 512  # tokens of a question and a passage that are read
_WEIGHTS: Final = "model.safetensors"


@dataclass(frozen=True, slots=True)
class _Loaded:
    encoder: Encoder
    tokenizer: PairTokenizer
    weight: Tensor  # (2, D)
    bias: Tensor  # (2,)


class Extractor:
    """Points at the words of passages that answer. Thread-safe.

    The weights are loaded at the first use, or when `load` is called.
    """

    def __init__(self, path: Path, base: Path, *, num_threads: int | None) -> None:
        """`base`: the folder of the embedding model that it was trained on.

        Raises ModelUnusableError where `path` is no extractor.
        """
        try:
            self._adapter, self._head = load_with_others(
                path, kind=FORMAT, others=_HEAD, maker="train extractor"
            )
        except WeightsFileError as error:
            raise ModelUnusableError(str(error)) from error
        self._path, self._base = path, base
        self._name = f"{path.stem}@{hash_files([path])[:12]}"
        self._thread = ComputeThread("extractor", num_threads=num_threads)
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None

    @property
    def name(self) -> str:
        """The file's name, and the hash of what is in it."""
        return self._name

    def load(self) -> None:
        """Load the weights now. Raises ModelUnusableError for a base that is another's."""
        self._get()

    def point(self, question: str, passages: Sequence[str]) -> list[Extraction]:
        """What answers in each passage; what is beyond the window is not read."""
        loaded = self._get()
        pairs = loaded.tokenizer.encode(question, passages)
        scores = self._thread.run(lambda: _score(loaded, pairs))
        return [
            extract(pair, of_pair.numpy(), passage)
            for pair, of_pair, passage in zip(pairs, scores, passages, strict=True)
        ]

    def _get(self) -> _Loaded:
        with self._lock:
            if self._loaded is None:
                try:
                    self._loaded = self._load()
                except (WeightsFileError, EncoderUnsupportedError, OSError) as error:
                    raise ModelUnusableError(str(error)) from error
            return self._loaded

    def _load(self) -> _Loaded:
        weights = self._base / _WEIGHTS
        if hash_weights(self._base) != self._adapter.base_sha256:
            raise WeightsFileError(
                f"{self._path.name} was trained on another embedding model than "
                f"{self._base.name}; train it anew, or name none"
            )
        config = EncoderConfig.load(self._base)
        opened: Any = safetensors.safe_open(weights, framework="pt")  # untyped
        load = partial(_load_merged, opened, self._adapter)
        weight, bias = (self._head[name].float() for name in _HEAD)
        return _Loaded(
            Encoder(config, load, dtype=default_dtype()),
            PairTokenizer(self._base, window=min(_WINDOW, config.max_positions)),
            weight,
            bias,
        )


def hash_weights(folder: Path) -> str:
    """SHA-256 of an embedding model's weights, which tells whose an extractor is."""
    return hash_file(folder / _WEIGHTS)


def _load_merged(opened: Any, adapter: Adapter, name: str) -> Tensor:
    weight: Tensor = opened.get_tensor(name)
    if name not in adapter.factors:
        return weight  # as it lies in the file
    return adapter.merge(name, weight.float())


def _score(loaded: _Loaded, pairs: Sequence[TokenizedPair]) -> list[Tensor]:
    """(T, 2) of each pair."""
    if not pairs:
        return []
    with torch.inference_mode():
        states = loaded.encoder.read([pair.ids for pair in pairs])
        return [state @ loaded.weight.T + loaded.bias for state in states]
