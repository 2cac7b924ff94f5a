"""Sequences of many callers in one pass of an encoder. Knows no text and no weights.

A pass over sixteen questions takes seven times as long as over one, not sixteen times: whoever
waits while another pass runs goes along with the next one.
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from torch import Tensor

from core.compute_thread import ComputeThread
from core.embedding import Vectors

Sequences = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """What one caller wants encoded."""

    sequences: Sequences
    vectors: "Future[Vectors]" = field(default_factory=Future)

    @property
    def num_tokens(self) -> int:
        return sum(map(len, self.sequences))


class EncodingTogether:
    """Encodes in the order of asking, as much at a time as fits. Thread-safe."""

    def __init__(
        self, encode: Callable[[Sequences], Tensor], thread: ComputeThread, *, max_tokens: int
    ) -> None:
        """`encode` is called on the thread, with at most `max_tokens` or what one caller wants."""
        self._encode: Final = encode
        self._thread: Final = thread
        self._max_tokens: Final = max_tokens
        self._waiting: deque[_Waiting] = deque()

    def submit(self, sequences: Sequences) -> "Future[Vectors]":
        """N sequences of token ids -> (N, D), or what `encode` raises of the pass they are in."""
        mine = _Waiting(sequences)
        self._waiting.append(mine)
        # A turn each, though one may take others along: what does not fit waits for its own.
        self._thread.submit(self._take_turn)
        return mine.vectors

    def _take_turn(self) -> None:
        together = self._take()
        if not together:
            return
        try:
            vectors = self._encode_all([ids for each in together for ids in each.sequences])
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            for each in together:
                each.vectors.set_exception(error)
            return
        start = 0
        for each in together:
            end = start + len(each.sequences)
            each.vectors.set_result(vectors[start:end])
            start = end

    def _take(self) -> list[_Waiting]:
        """The first that waits, and those behind it that fit into the same pass."""
        taken: list[_Waiting] = []
        num_tokens = 0
        # only turns take, one at a time: what is looked at is still there when it is taken
        while self._waiting:
            num_tokens += self._waiting[0].num_tokens
            if taken and num_tokens > self._max_tokens:
                break
            taken.append(self._waiting.popleft())
        return taken

    def _encode_all(self, sequences: Sequences) -> Vectors:
        # the encoder is fastest where equally long ones are neighbours
        order = sorted(range(len(sequences)), key=lambda index: len(sequences[index]))
        encoded = self._encode([sequences[index] for index in order])  # (N, D)
        vectors = np.empty(encoded.shape, dtype=np.float32)
        vectors[order] = encoded.numpy()
        return vectors
