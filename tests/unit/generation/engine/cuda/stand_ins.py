"""What stands for a card's parts where there is no card."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from generation.engine.cuda.backends import GatheredAttention, PagedAttention
from generation.engine.cuda.graphs import Recorder, Step, record_nothing
from generation.engine.cuda.runner import DeviceRunner
from generation.engine.pages import PAGE_SIZE
from generation.engine.runner import CausalModel, RunnerSizes
from tests.unit.generation.engine.fakes import Loop


class BoundedAttention(GatheredAttention):
    """Takes its sizes from the shape alone: what a recorded step demands of an attention."""

    is_capturable = True


class CountingRecorder:
    """Records nothing, and counts what it was given and what was replayed."""

    def __init__(self) -> None:
        self.num_recorded = 0
        self.num_replays = 0

    def __call__(self, step: Step) -> tuple[Tensor, Callable[[], None]]:
        self.num_recorded += 1
        hidden, replay = record_nothing(step)

        def counted() -> None:
            self.num_replays += 1
            replay()

        return hidden, counted


def device_runner(
    model: CausalModel,
    *,
    record: Recorder | None,
    attention: PagedAttention | None = None,
    num_pages: int = 64,
    max_sequences: int = 8,
) -> DeviceRunner:
    sizes = RunnerSizes(
        num_pages=num_pages,
        page_size=PAGE_SIZE,
        max_context=min(model.config.max_positions, num_pages * PAGE_SIZE),
        max_sequences=max_sequences,
    )
    return DeviceRunner(model, sizes, attention=attention or BoundedAttention(), record=record)


def device_loop(model: CausalModel, runner: DeviceRunner, **options: Any) -> Loop:
    """The engine's loop over a card's runner."""
    loop = Loop(model, **options)
    loop.core._runner = runner
    return loop
