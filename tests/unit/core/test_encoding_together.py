"""Whoever waits for the encoder goes along with the next pass, and gets what is theirs."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import Tensor

from core.compute_thread import ComputeThread
from core.embedding import Vectors
from core.encoding_together import EncodingTogether, Sequences

WITHIN_S = 60.0


class Encoder:
    """A sequence's vector is its sum and its length; remembers its passes. No token is 0."""

    def __init__(self) -> None:
        self.passes: list[list[Sequence[int]]] = []
        self.thread = ComputeThread("encoder", num_threads=1)
        self.together = EncodingTogether(self.encode, self.thread, max_tokens=12)

    def encode(self, sequences: Sequences) -> Tensor:
        """One pass."""
        self.passes.append(list(sequences))
        if any(0 in ids for ids in sequences):
            raise ValueError("0")
        return torch.tensor([[float(sum(ids)), float(len(ids))] for ids in sequences])

    @contextmanager
    def busy(self) -> Iterator[None]:
        """What is submitted inside waits for the end of the block."""
        end = threading.Event()
        self.thread.submit(lambda: end.wait(WITHIN_S))
        yield
        end.set()


def vectors_of(asked: "Future[Vectors]") -> list[list[float]]:
    found: list[list[float]] = asked.result(WITHIN_S).tolist()
    return found


@pytest.fixture
def encoder() -> Encoder:
    return Encoder()


def test_who_waits_goes_along_with_the_next_pass(encoder: Encoder) -> None:
    with encoder.busy():
        asked = [encoder.together.submit([[number], [number, 1, 1]]) for number in (5, 6, 7)]
    found = [vectors_of(each) for each in asked]
    assert found == [[[n, 1.0], [n + 2, 3.0]] for n in (5.0, 6.0, 7.0)]
    # equally long ones are neighbours
    assert [[len(ids) for ids in each] for each in encoder.passes] == [[1, 1, 1, 3, 3, 3]]


def test_who_does_not_fit_has_a_pass_of_their_own(encoder: Encoder) -> None:
    lengths = (5, 5, 5, 20, 1)
    with encoder.busy():
        asked = [encoder.together.submit([[1] * length]) for length in lengths]
    assert [vectors_of(each) for each in asked] == [[[n, n]] for n in lengths]
    assert [sum(map(len, each)) for each in encoder.passes] == [10, 5, 20, 1]


def test_alone_and_together_are_equal(encoder: Encoder) -> None:
    sequences = [[3], [4, 5], [6, 7, 8]]
    alone = [encoder.together.submit([ids]).result(WITHIN_S) for ids in sequences]
    with encoder.busy():
        asked = [encoder.together.submit([ids]) for ids in sequences]
    assert len(encoder.passes) == 3
    assert np.array_equal(np.concatenate(alone), [vectors_of(each)[0] for each in asked])
    assert len(encoder.passes) == 4


def test_what_a_pass_raises_is_raised_for_those_in_it_alone(encoder: Encoder) -> None:
    with encoder.busy():
        bad = encoder.together.submit([[0] * 12])
        good = encoder.together.submit([[2]])
    with pytest.raises(ValueError, match="0"):
        bad.result(WITHIN_S)
    assert vectors_of(good) == [[2.0, 1.0]]
