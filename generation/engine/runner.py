"""Run the model over one batch of scheduled work. Decides nothing: no sampling, no scheduling."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from generation.engine.attention import AttentionContext
from generation.engine.config import ModelConfig
from generation.engine.kv_cache import KVCache, Span
from generation.engine.row_adapters import RowAdapter, applied

# a row of logits is as long as the vocabulary: scoring a long text must not hold all of them
_ROWS_AT_ONCE = 64
# PyTorch compiles and keeps a kernel for each number of rows that a product has had, and each size
# of tensor leaves a hole of its own in the heap: prompts come in every length, products in few.
_ROWS_STEP = 32


class CausalModel(Protocol):
    """What a runner needs of a model; `Transformer` is one, a test's fake another."""

    config: ModelConfig

    @property
    def dtype(self) -> torch.dtype: ...

    @property
    def device(self) -> torch.device: ...

    def __call__(self, tokens: Tensor, positions: Tensor, context: AttentionContext) -> Tensor: ...

    def logits(self, hidden: Tensor) -> Tensor: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerSizes:
    """What a runner must have room for.

    max_context: tokens of one sequence. compile_blocks: fuse the model's small kernels, at the
    price of about a minute at start; on a card only.
    """

    num_pages: int
    page_size: int
    max_context: int
    max_sequences: int
    compile_blocks: bool = False


class BatchRunner(Protocol):
    """Runs batches for the engine's loop: `Runner` here, another where the model is on a card.

    wants_runs: whether it reads pages that are neighbours without a copy, and others not.
    """

    wants_runs: bool

    def run(self, chunks: "Sequence[Chunk]") -> Tensor:
        """Compute and cache every chunk; the hidden states (R, C) that were asked for, in order.

        They are the caller's until the next run.
        """
        ...

    def logits(self, hidden: Tensor) -> Tensor: ...

    def log_likelihoods(self, hidden: Tensor, targets: Sequence[int]) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class Chunk:
    """New tokens of one sequence, which follow `start` computed ones in `pages`.

    first_row: the first of the chunk's tokens whose hidden state is wanted, to its end.
    copies: pages to copy first, (from, to), in order; only where the scheduler keeps runs.
    adapter: what its products add for these tokens, and did for those before them.
    """

    tokens: Sequence[int]
    start: int
    pages: Sequence[int]
    first_row: int
    copies: Sequence[tuple[int, int]] = ()
    adapter: RowAdapter | None = None


class Runner:
    """Holds the model and its cache."""

    wants_runs = True

    def __init__(self, model: CausalModel, *, num_pages: int, page_size: int) -> None:
        self._model = model
        self._cache = KVCache(
            model.config,
            num_pages=num_pages,
            page_size=page_size,
            dtype=model.dtype,
            device=model.device,
        )

    def run(self, chunks: Sequence[Chunk]) -> Tensor:
        """Compute and cache every chunk; the hidden states (R, C) that were asked for, in order."""
        tokens: list[int] = []
        positions: list[int] = []
        rows: list[int] = []
        spans: list[Span] = []
        for chunk in chunks:
            self._cache.copy_pages(chunk.copies)
            rows += range(len(tokens) + chunk.first_row, len(tokens) + len(chunk.tokens))
            tokens += chunk.tokens
            end = chunk.start + len(chunk.tokens)
            positions += range(chunk.start, end)
            spans.append(Span(chunk.pages, chunk.start, end))
        padding = [0] * _num_padding(len(tokens))
        device = self._model.device
        with applied(self._model, adapter_parts(chunks)):
            hidden = self._model(
                torch.tensor(tokens + padding, device=device),
                torch.tensor(positions + padding, device=device),
                self._cache.context(spans),
            )  # (N and padding, C)
        return hidden if len(rows) == hidden.shape[0] else hidden[rows]

    def logits(self, hidden: Tensor) -> Tensor:
        """hidden (R, C) -> float32 logits (R, V)."""
        return self._model.logits(hidden)

    def log_likelihoods(self, hidden: Tensor, targets: Sequence[int]) -> Tensor:
        """Of each target after its hidden state: hidden (R, C), R targets -> (R,)."""
        return log_likelihoods(self._model, hidden, targets)


def adapter_parts(chunks: Sequence[Chunk]) -> list[tuple[RowAdapter | None, int]]:
    """A batch as `applied` takes it."""
    return [(chunk.adapter, len(chunk.tokens)) for chunk in chunks]


def _num_padding(num_rows: int) -> int:
    """How many rows to add; none to a few, each of which would cost as much as a token."""
    return -num_rows % _ROWS_STEP if num_rows > _ROWS_STEP else 0


def log_likelihoods(model: CausalModel, hidden: Tensor, targets: Sequence[int]) -> Tensor:
    """Of each target after its hidden state: hidden (R, C), R targets -> (R,)."""
    wanted = torch.tensor(targets, device=hidden.device)
    parts = [
        model.logits(part).log_softmax(-1).gather(1, ids[:, None])[:, 0]
        for part, ids in zip(
            torch.split(hidden, _ROWS_AT_ONCE), torch.split(wanted, _ROWS_AT_ONCE), strict=True
        )
    ]
    return torch.cat(parts)
