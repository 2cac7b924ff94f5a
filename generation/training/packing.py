"""Token documents to packed batches. Nothing is padded, and no sequence sees another.

A document longer than the context is cut into windows that overlap by one token, so that every
token but a document's first is predicted exactly once a round. The order of windows depends on the
seed and the round alone: a position in the data is one number.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generation.engine.attention import PackedContext
from generation.training.tokens import Ids, TokenStore

IGNORED: Final = -100  # a target that no loss counts, as torch's cross_entropy spells it


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """Sequences one after the other, for one forward pass."""

    tokens: Tensor  # (N,) int64
    targets: Tensor  # (N,) int64, the next token; IGNORED where the loss must not look
    positions: Tensor  # (N,) int64, from 0 in every sequence
    lengths: tuple[int, ...]  # of the sequences; they add up to N
    num_targets: int  # not IGNORED; counted before the tensors move, which would wait for the GPU

    @property
    def num_tokens(self) -> int:
        return len(self.tokens)

    def build_context(self) -> PackedContext:
        """What lets no sequence see another."""
        return PackedContext(self.lengths)

    def to(self, device: torch.device) -> "PackedBatch":
        return replace(
            self,
            tokens=self.tokens.to(device),
            targets=self.targets.to(device),
            positions=self.positions.to(device),
        )


@dataclass(frozen=True, slots=True)
class Windows:
    """Stretches of the token file, each at most context + 1 long: inputs and their targets."""

    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def num_targets(self) -> int:
        return int(self.sizes.sum()) - len(self)


def cut_windows(store: TokenStore, documents: NDArray[np.int64], *, context: int) -> Windows:
    """The windows of these documents, in order."""
    firsts, ends = store.starts()[documents], store.ends[documents]
    counts = -(-(ends - firsts - 1) // context)  # rounded up
    index = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = np.repeat(firsts, counts) + index * context
    sizes = np.minimum(np.repeat(ends, counts) - starts, context + 1)
    return Windows(starts, sizes)


def pack(sequences: Sequence[NDArray[np.integer]]) -> PackedBatch:
    """Sequences of ids, each with its last target, into one batch; the longest come first.

    Runs of one length let attention handle them as a rectangle.
    """
    ordered = sorted(sequences, key=len, reverse=True)
    ids = [torch.from_numpy(sequence.astype(np.int64)) for sequence in ordered]
    return PackedBatch(
        tokens=torch.cat([sequence[:-1] for sequence in ids]),
        targets=torch.cat([sequence[1:] for sequence in ids]),
        positions=torch.cat([torch.arange(len(sequence) - 1) for sequence in ids]),
        lengths=tuple(len(sequence) - 1 for sequence in ids),
        num_targets=sum(len(sequence) - 1 for sequence in ids),
    )


def pack_in_order(ids: Ids, windows: Windows, *, pass_tokens: int) -> Iterator[PackedBatch]:
    """All windows once, in batches of at most `pass_tokens` tokens (or of one window)."""
    spans = zip(windows.starts.tolist(), windows.sizes.tolist(), strict=True)
    yield from _fill((ids[start : start + size] for start, size in spans), pass_tokens)


class Shuffle:
    """Numbers below `size` without end: each once a round, ordered by the seed and the round."""

    def __init__(self, size: int, *, seed: int) -> None:
        self._size = size
        self._seed = seed
        self._round = -1
        self._order = np.empty(0, np.int64)
        self.position = 0  # numbers taken so far; set it to go on from there

    def take(self) -> int:
        current, index = divmod(self.position, self._size)
        if current != self._round:
            self._round = current
            generator = np.random.default_rng([self._seed, 1, current])
            self._order = generator.permutation(self._size)
        self.position += 1
        return int(self._order[index])


class ShuffledStream:
    """Things without end by their numbers, shuffled anew every round: what all streams share."""

    def __init__(self, size: int, *, seed: int) -> None:
        self._shuffle = Shuffle(size, seed=seed)

    @property
    def position(self) -> int:
        """Things taken so far; set it to go on from there."""
        return self._shuffle.position

    @position.setter
    def position(self, position: int) -> None:
        self._shuffle.position = position


class WindowStream(ShuffledStream):
    """Windows without end: shuffled anew every round, by the seed and the round's number."""

    def __init__(
        self, ids: Ids, windows: Windows, *, batch_tokens: int, pass_tokens: int, seed: int
    ) -> None:
        super().__init__(len(windows), seed=seed)
        self._ids = ids
        self._windows = windows
        self._batch_tokens = batch_tokens
        self._pass_tokens = pass_tokens

    def take_step(self) -> list[PackedBatch]:
        """The batches of one optimizer step: together at least `batch_tokens` tokens."""
        taken: list[NDArray[np.integer]] = []
        num_tokens = 0
        while num_tokens < self._batch_tokens:
            taken.append(self._next_window())
            num_tokens += len(taken[-1]) - 1
        # neighbours of one length share a pass, whichever order they were drawn in
        return list(_fill(sorted(taken, key=len, reverse=True), self._pass_tokens))

    def _next_window(self) -> NDArray[np.integer]:
        window = self._shuffle.take()
        start = self._windows.starts[window]
        return self._ids[start : start + self._windows.sizes[window]]


def _fill(sequences: Iterable[NDArray[np.integer]], pass_tokens: int) -> Iterator[PackedBatch]:
    held: list[NDArray[np.integer]] = []
    num_tokens = 0
    for sequence in sequences:
        size = len(sequence) - 1
        if held and num_tokens + size > pass_tokens:
            yield pack(held)
            held, num_tokens = [], 0
        held.append(sequence)
        num_tokens += size
    if held:
        yield pack(held)
