"""One step's batch as int32 tensors in a single buffer: one copy to the device. No kernels.

Everything that changes from step to step is a tensor, and what remains a Python number is a bound:
so a recorded graph stays right while sequences grow, come and go. Shapes: N new tokens, S
sequences, P pages of one sequence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

import numpy as np
import torch
from torch import Tensor

from generation.engine.errors import ContextOverflowError
from generation.engine.runner import Chunk

# Triton compiles a kernel once for addresses and sizes that are multiples of 16, and again for
# others: every part begins at such an address, and no step waits for a compiler
_ALIGNED: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchShape:
    """Room for a batch. max_new, max_length: of one sequence, its new tokens and all of them."""

    num_tokens: int
    num_sequences: int
    max_new: int
    max_length: int
    page_size: int

    @property
    def num_pages(self) -> int:
        """Of one sequence, rounded up as all sizes are."""
        return _round_up(-(-self.max_length // self.page_size))

    @property
    def part_sizes(self) -> list[int]:
        """Of tokens, positions, slots, starts, count, lengths and pages in one buffer."""
        sequences = _round_up(self.num_sequences)
        pages = self.num_sequences * self.num_pages
        return [
            *[_round_up(self.num_tokens)] * 3,
            _round_up(self.num_sequences + 1),
            _round_up(1),
            sequences,
            pages,
        ]

    @property
    def num_values(self) -> int:
        """Numbers that describe a batch of this shape."""
        return sum(self.part_sizes)

    def holds(self, other: "BatchShape") -> bool:
        return (
            self.num_tokens >= other.num_tokens
            and self.num_sequences >= other.num_sequences
            and self.max_new >= other.max_new
            and self.max_length >= other.max_length
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PagedBatch:
    """Views of one int32 buffer.

    New tokens beyond the last of `query_starts` are padding and belong to no sequence: their keys
    go to a spare page and their attention is never computed. Padding sequences have no new tokens.
    """

    shape: BatchShape
    tokens: Tensor  # (N,)
    positions: Tensor  # (N,)
    slots: Tensor  # (N,) where in the cache the new tokens' keys and values go
    query_starts: Tensor  # (S + 1,) where each sequence's new tokens begin
    num_new: Tensor  # (1,) tokens that are no padding
    lengths: Tensor  # (S,) tokens of each sequence, its new ones included
    pages: Tensor  # (S, P)


def measure(chunks: Sequence[Chunk], page_size: int) -> BatchShape:
    """The least shape that holds these chunks."""
    return BatchShape(
        num_tokens=sum(len(chunk.tokens) for chunk in chunks),
        num_sequences=len(chunks),
        max_new=max(len(chunk.tokens) for chunk in chunks),
        max_length=max(chunk.start + len(chunk.tokens) for chunk in chunks),
        page_size=page_size,
    )


def split_buffer(buffer: Tensor, shape: BatchShape) -> PagedBatch:
    """The parts of a buffer of `shape.num_values` int32."""
    parts = torch.split(buffer, shape.part_sizes)
    tokens, positions, slots, starts, num_new, lengths, pages = parts
    num_tokens, num_sequences = shape.num_tokens, shape.num_sequences
    return PagedBatch(
        shape=shape,
        tokens=tokens[:num_tokens],
        positions=positions[:num_tokens],
        slots=slots[:num_tokens],
        query_starts=starts[: num_sequences + 1],
        num_new=num_new[:1],
        lengths=lengths[:num_sequences],
        pages=pages.view(num_sequences, shape.num_pages),
    )


def fill_buffer(
    chunks: Sequence[Chunk], shape: BatchShape, *, spare_page: int, pinned: bool
) -> Tensor:
    """Describe `chunks`, padded to `shape`, in host memory: int32 (shape.num_values,).

    pinned: the copy to the device need not wait; torch keeps the memory until it has been made.
    """
    buffer = torch.zeros(shape.num_values, dtype=torch.int32, pin_memory=pinned)
    ends = np.cumsum(shape.part_sizes)[:-1]
    tokens, positions, slots, starts, num_all, lengths, pages = np.split(buffer.numpy(), ends)
    pages = pages.reshape(shape.num_sequences, shape.num_pages)
    size = shape.page_size
    slots[: shape.num_tokens] = spare_page * size
    num_new = np.array([len(chunk.tokens) for chunk in chunks], dtype=np.int32)  # (S,)
    before = np.array([chunk.start for chunk in chunks], dtype=np.int32)  # (S,)
    for row, chunk, end in zip(pages, chunks, (before + num_new).tolist(), strict=False):
        own = _own_pages(chunk, end, size)
        row[: len(own)] = own
    # all sequences at once: at a hundred of them every call for one costs a tenth of a step
    n, s = int(num_new.sum()), len(chunks)
    ends = num_new.cumsum()
    tokens[:n] = list(chain.from_iterable(chunk.tokens for chunk in chunks))
    positions[:n] = np.arange(n) + np.repeat(before - ends + num_new, num_new)
    own_pages = pages[np.repeat(np.arange(s), num_new), positions[:n] // size]
    slots[:n] = own_pages * size + positions[:n] % size
    starts[1 : s + 1] = ends
    starts[s + 1 :] = n
    lengths[:s] = before + num_new
    num_all[:] = n
    return buffer


def _round_up(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED


def _own_pages(chunk: Chunk, end: int, page_size: int) -> Sequence[int]:
    """The pages that hold the sequence's tokens up to `end`."""
    num_pages = -(-end // page_size)
    if num_pages > len(chunk.pages):
        raise ContextOverflowError(
            f"{end} tokens do not fit into {len(chunk.pages)} pages of {page_size}"
        )
    return chunk.pages[:num_pages]
