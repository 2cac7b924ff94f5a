"""A cross-encoder from a local folder, through transformers (the `rerank` extra). Offline, always.

The folder holds weights as safetensors and the tokenizer's files. Code that lies beside them is
never run, and weights in formats that can hold code are never opened.
"""

import importlib.util
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch

from core.compute_thread import ComputeThread
from core.encoder import default_dtype
from retrieval.reranking import RerankerUnusableError

# Pairs of equal length share a batch; the longest are computed alone, so that memory stays small.
_BATCH_TOKENS: Final = 2048
# What rerankers are trained on; a tokenizer without a limit of its own claims 10^30.
_MAX_TOKENS: Final = 512
# Positions that RoBERTa and its kin keep for padding.
_RESERVED_POSITIONS: Final = 2


@dataclass(frozen=True, slots=True)
class _Loaded:
    tokenizer: Any  # transformers' types say nothing of what a call returns
    model: Any
    max_tokens: int
    thread: ComputeThread


class CrossEncoder:
    """Scores are the model's logits. Loaded at the first use, or when `load` is called.

    Uses `num_threads` of the processor, None takes all; one computation at a time.
    """

    is_set = True
    found_weight = 0.0

    def __init__(self, folder: Path, *, num_threads: int | None = None) -> None:
        self._folder = folder
        self._num_threads = num_threads
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None

    def load(self) -> None:
        """Load the weights now, so that the first caller does not wait.

        Raises `RerankerUnusableError`.
        """
        self._get()

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """The logit of each pair. Of a pair longer than the model reads, the longer text is cut."""
        loaded = self._get()
        return loaded.thread.run(partial(_score, loaded, question, texts))

    def _get(self) -> _Loaded:
        with self._lock:
            if self._loaded is None:
                self._loaded = _load(self._folder, self._num_threads)
            return self._loaded


@torch.inference_mode()
def _score(loaded: _Loaded, question: str, texts: Sequence[str]) -> list[float]:
    """Runs on one thread only: a tokenizer that cuts is changed by every call."""
    scores = [0.0] * len(texts)
    pairs = [
        loaded.tokenizer(question, text, truncation="longest_first", max_length=loaded.max_tokens)
        for text in texts
    ]
    for batch in _batches([len(pair["input_ids"]) for pair in pairs]):
        inputs = loaded.tokenizer.pad([pairs[index] for index in batch], return_tensors="pt")
        logits = loaded.model(**inputs).logits.float()[:, 0]  # (B, 1) -> (B,)
        for index, logit in zip(batch, logits.tolist(), strict=True):
            scores[index] = logit
    return scores


def _load(folder: Path, num_threads: int | None) -> _Loaded:
    if importlib.util.find_spec("transformers") is None:
        raise RerankerUnusableError(
            "a cross-encoder needs the extra cimiento[rerank], which is not installed"
        )
    # Late: the extra may not be there, and its import takes seconds.
    from transformers import (  # noqa: PLC0415
        AutoModelForSequenceClassification,
        AutoTokenizer,
    )

    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **local)
        model, notes = AutoModelForSequenceClassification.from_pretrained(
            folder, **local, use_safetensors=True, dtype=default_dtype(), output_loading_info=True
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise RerankerUnusableError(f"{folder} cannot be loaded: {error}") from error
    if missing := sorted(notes["missing_keys"]):
        # transformers would fill them with random numbers
        raise RerankerUnusableError(f"{folder} is no cross-encoder: it has no {missing[0]}")
    if model.config.num_labels != 1:
        raise RerankerUnusableError(
            f"{folder} gives {model.config.num_labels} numbers a pair, a reranker gives one"
        )
    positions = getattr(model.config, "max_position_embeddings", 0) - _RESERVED_POSITIONS
    return _Loaded(
        tokenizer,
        model.eval(),
        # a model whose positions are relative counts none
        min(_MAX_TOKENS, positions if positions > 0 else _MAX_TOKENS, tokenizer.model_max_length),
        ComputeThread("reranker", num_threads=num_threads),
    )


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices, the longest first; a batch costs its longest pair times their number."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        if batch and lengths[batch[0]] * (len(batch) + 1) > _BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
