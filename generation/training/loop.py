"""Steps of a run, one after the other, until its steps or its time are over. Saves nothing.

The caller gets every step as it is done, and writes, validates and saves between them.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from torch import nn

from generation.training.checkpoint import RunState
from generation.training.trainer import Batch, StepResult, Trainer, learning_rate_at

M = TypeVar("M", bound=nn.Module)
B = TypeVar("B", bound=Batch)
B_co = TypeVar("B_co", bound=Batch, covariant=True)


class BatchStream(Protocol[B_co]):
    """Batches without end; `position` says how far, and can be set to go on from there."""

    position: int

    def take_step(self) -> Sequence[B_co]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long a run is and how its learning rate goes. It ends at whichever limit comes first."""

    max_steps: int | None
    max_s: float | None
    peak_learning_rate: float
    warmup_steps: int

    def progress(self, run: RunState) -> float:
        """How much of the run is done; 1 or more when it is over."""
        by_steps = run.step / self.max_steps if self.max_steps else 0.0
        by_time = run.elapsed_s / self.max_s if self.max_s else 0.0
        return max(by_steps, by_time)


class Paced(Protocol):
    """Options that say how long a run is and how its learning rate goes."""

    @property
    def steps(self) -> int | None: ...
    @property
    def minutes(self) -> float | None: ...
    @property
    def lr(self) -> float: ...
    @property
    def warmup(self) -> int: ...


def plan_steps(options: Paced, *, usual_steps: int) -> Plan:
    """The plan that options ask for; `usual_steps` where they limit neither steps nor time."""
    is_open = options.steps is None and options.minutes is None
    return Plan(
        max_steps=max(1, usual_steps) if is_open else options.steps,
        max_s=None if options.minutes is None else options.minutes * 60,
        peak_learning_rate=options.lr,
        warmup_steps=options.warmup,
    )


@dataclass(frozen=True, slots=True)
class StepDone:
    run: RunState
    result: StepResult
    learning_rate: float


def run_steps(
    trainer: Trainer[M, B],
    stream: BatchStream[B],
    plan: Plan,
    *,
    start: RunState,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[StepDone]:
    """Train from `start` to the end of the plan.

    What the caller does between steps counts as time of the run.
    """
    began = clock() - start.elapsed_s
    run = start
    while (progress := plan.progress(run)) < 1:
        rate = learning_rate_at(
            run.step, progress, peak=plan.peak_learning_rate, warmup=plan.warmup_steps
        )
        batches = stream.take_step()
        result = trainer.step(batches, learning_rate=rate)
        run = RunState(
            step=run.step + 1,
            position=stream.position,
            num_tokens=run.num_tokens + sum(batch.num_targets for batch in batches),
            elapsed_s=clock() - began,
        )
        yield StepDone(run, result, rate)
