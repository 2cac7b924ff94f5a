"""Steps of fixed shape, recorded once and replayed: the host then starts one thing, not hundreds.

A recorded step reads its inputs from one buffer that stays where it is; replaying is a copy into
that buffer and a start. Shapes are buckets: a batch is padded to the least that holds it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor

from generation.engine.cuda.batch import BatchShape, PagedBatch, split_buffer

_NUM_WARM_UPS: Final = 2

Step = Callable[[], Tensor]
# runs a step a few times, records it, and gives its output and what replays it
Recorder = Callable[[Step], tuple[Tensor, Callable[[], None]]]


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """One shape's inputs, output and replay."""

    shape: BatchShape
    inputs: Tensor  # int32 (shape.num_values,), on the device
    hidden: Tensor  # (N, C), overwritten by every replay
    replay: Callable[[], None]

    def run(self, described: Tensor) -> Tensor:
        """Replay with the batch that `described` (host memory) holds -> hidden (N, C)."""
        self.inputs.copy_(described, non_blocking=True)
        self.replay()
        return self.hidden


class RecordedSteps:
    """A recorded step for every shape."""

    def __init__(
        self,
        shapes: Sequence[BatchShape],
        compute: Callable[[PagedBatch], Tensor],
        record: Recorder,
        *,
        idle: Callable[[BatchShape], Tensor],
        device: torch.device,
    ) -> None:
        """`idle` describes a batch of padding only: what the steps compute while being recorded."""
        self._steps = []
        # the largest first: the smaller find room in the memory that it has left
        for shape in sorted(shapes, key=_cost, reverse=True):
            inputs = idle(shape).to(device)
            batch = split_buffer(inputs, shape)
            hidden, replay = record(partial(compute, batch))
            self._steps.append(RecordedStep(shape, inputs, hidden, replay))
        self._steps.reverse()

    def find(self, shape: BatchShape) -> RecordedStep | None:
        """The cheapest step that holds a batch of this shape; None where it must run unrecorded."""
        return next((step for step in self._steps if step.shape.holds(shape)), None)


def _cost(shape: BatchShape) -> tuple[int, int]:
    return shape.num_tokens, shape.max_new


def bucket_shapes(
    *, max_sequences: int, max_context: int, page_size: int, max_verified: int
) -> list[BatchShape]:
    """Decoding of up to `max_sequences`, and of few sequences with up to `max_verified` tokens."""
    decodes = [(size, size, 1) for size in _sizes(max_sequences)]
    few = min(4, max_sequences)
    verifies = [(size, few, max_verified) for size in _sizes(few * max_verified) if size > 1]
    return [
        BatchShape(
            num_tokens=num_tokens,
            num_sequences=num_sequences,
            max_new=max_new,
            max_length=max_context,
            page_size=page_size,
        )
        for num_tokens, num_sequences, max_new in decodes + (verifies if max_verified > 1 else [])
    ]


def _sizes(most: int) -> Iterator[int]:
    """1, 2, 4, 8, 16, then every 16 to 128 and every 32 beyond: little padding, few recordings."""
    size = 1
    while size < most:
        yield size
        size += size if size < 16 else 16 if size < 128 else 32
    yield most


class CudaRecorder:
    """CUDA graphs that share one pool of memory: only one of them runs at a time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool: Any = torch.cuda.graph_pool_handle()

    def __call__(self, step: Step) -> tuple[Tensor, Callable[[], None]]:
        stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(stream):
            # libraries choose kernels and workspaces, Triton compiles: none of it may be recorded
            for _ in range(_NUM_WARM_UPS):
                step()
        torch.cuda.current_stream(self._device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # other threads of the process may allocate meanwhile
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            hidden = step()
        return hidden, graph.replay


def record_nothing(step: Step) -> tuple[Tensor, Callable[[], None]]:
    """A stand-in where there is no card: replaying runs the step again on the same buffers."""
    hidden = step()

    def replay() -> None:
        hidden.copy_(step())

    return hidden, replay
