"""Compiled blocks: the same numbers, and nothing compiled anew once every kind has been seen."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch._dynamo.utils import counters

from generation.engine.cuda.compiling import OpaqueContext, compile_blocks
from generation.engine.cuda.runner import DeviceRunner
from generation.engine.runner import Chunk, RunnerSizes
from tests.unit.generation.engine.cuda.stand_ins import BoundedAttention, CountingRecorder
from tests.unit.generation.engine.tiny import tiny_transformer

SIZES = RunnerSizes(num_pages=16, page_size=16, max_context=64, max_sequences=8)
CHANGES: dict[str, Any] = {
    "sliding_window": 5,
    "sliding_layers": frozenset({0, 2}),
    "num_layers": 20,
}


@pytest.fixture(autouse=True)
def fresh_compiler() -> Iterator[None]:
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def build_runner(*, compiled: bool) -> DeviceRunner:
    model = tiny_transformer(**CHANGES)
    if compiled:
        compile_blocks(model.blocks, backend="eager")
    return DeviceRunner(
        model,
        SIZES,
        attention=BoundedAttention(),
        record=CountingRecorder(),
        context_type=OpaqueContext,
    )


def decode(runner: DeviceRunner, num: int, position: int) -> torch.Tensor:
    return runner.run([Chunk([7 + row], position, [row], first_row=0) for row in range(num)])


def test_compiled_blocks_say_what_plain_ones_say() -> None:
    compiled, plain = (build_runner(compiled=compiled) for compiled in (True, False))
    for position, num in enumerate((1, 3, 8)):
        found, right = (decode(runner, num, position) for runner in (compiled, plain))
        torch.testing.assert_close(found, right, rtol=1e-4, atol=1e-5)


def test_nothing_is_compiled_once_every_bucket_has_been_recorded() -> None:
    runner = build_runner(compiled=True)
    num_graphs = counters["stats"]["unique_graphs"]
    assert 0 < num_graphs <= 12  # by the kind of piece, not by layer: there are twenty
    for position, num in enumerate((1, 2, 5, 8, 3)):
        decode(runner, num, position)
    runner.run([Chunk(list(range(20)), 0, [9, 10], first_row=19)])  # a prompt, unrecorded
    assert counters["stats"]["unique_graphs"] == num_graphs
