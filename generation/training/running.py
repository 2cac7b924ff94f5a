"""A run from its last checkpoint to its end: steps, journal, validations, saving. Knows no task.

A task brings a `Work`: what learns, from what, and how it is judged. Ctrl-C or SIGTERM end a run
after the step under way, so that it can go on later.
"""

import enum
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import nn

from generation.training.checkpoint import (
    Best,
    RunState,
    load_checkpoint,
    load_weights,
    save_checkpoint,
    save_weights,
)
from generation.training.errors import CheckpointError, OptionError
from generation.training.heap import keep_freed_memory
from generation.training.journal import Journal, Row
from generation.training.loop import BatchStream, Plan, StepDone, run_steps
from generation.training.messages import ProgressLine, Report
from generation.training.trainer import Batch, Trainer

M = TypeVar("M", bound=nn.Module)
B = TypeVar("B", bound=Batch)

Watch = Callable[[StepDone], None]


def ignore(done: StepDone) -> None:
    """Watch nothing."""


class RunOptions(Protocol):
    """What every kind of training can be told."""

    @property
    def resume(self) -> bool: ...
    @property
    def checkpoint_minutes(self) -> float: ...
    def to_json(self) -> dict[str, Any]: ...
    def require_same_run(self, saved: dict[str, Any]) -> None: ...


@dataclass(frozen=True, slots=True)
class Folder:
    """Where things are in the output folder."""

    root: Path

    @property
    def state(self) -> Path:
        """What only a resumed run needs."""
        return self.root / "training"

    @property
    def checkpoint(self) -> Path:
        return self.state / "checkpoint.pt"

    @property
    def best(self) -> Path:
        """The weights that did best on the development set."""
        return self.state / "best.pt"

    @property
    def tokens(self) -> Path:
        return self.state / "tokens"

    @property
    def journal(self) -> Path:
        return self.root / "loss.csv"


@dataclass(frozen=True, slots=True)
class Measured:
    """A validation: the loss in nats per target, and a metric where the task has one."""

    loss: float
    metric: float | None = None  # higher is better


class Ending(enum.Enum):
    """Why a run has no more steps for now."""

    WHOLE = "whole"
    INTERRUPTED = "interrupted"
    STOPPED_EARLY = "stopped early"


@dataclass(slots=True, kw_only=True)
class Work(ABC, Generic[M, B]):
    """One run: what learns, from what, and how far it is.

    chooses_best: validations give a metric, the end of the run is one too, and the weights that did
    best are kept beside the last.
    patience: end after so many validations without a better metric; None never does.
    """

    options: RunOptions
    folder: Folder
    trainer: Trainer[M, B]
    stream: BatchStream[B]
    plan: Plan
    device: torch.device
    dtype: torch.dtype
    num_validations: int
    unit: str = "tokens"  # what a target is
    chooses_best: bool = False
    patience: int | None = None
    run: RunState = field(default_factory=RunState)
    best: Best = field(default_factory=Best)

    @abstractmethod
    def validate(self) -> Measured:
        """Judge the weights as they are, now and then during a run: it must not eat its time."""


def claim_folder(folder: Folder, *, result: str, resume: bool) -> None:
    """Make the folder of a run. Raises OptionError where it holds another's, or its `result`."""
    if folder.checkpoint.exists() and not resume:
        raise OptionError(
            f"--out: {folder.root} holds a run already; go on with --resume, or name another folder"
        )
    if (folder.root / result).exists() and not folder.checkpoint.exists():
        raise OptionError(f"--out: {folder.root} holds a model already; name another folder")
    try:
        folder.state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(f"--out: {folder.root} cannot be made ({error.strerror})") from error


def resume(work: Work[M, B], report: Report) -> None:
    """Go on from the last checkpoint, where there is one and the options say so.

    Raises CheckpointError for a damaged one, OptionError for one of another run.
    """
    if not (work.options.resume and work.folder.checkpoint.exists()):
        return
    saved = load_checkpoint(work.folder.checkpoint, device=work.device)
    work.options.require_same_run(saved["options"])
    try:
        work.trainer.load_state(saved["trainer"])
    except (RuntimeError, ValueError, KeyError) as error:
        raise CheckpointError(f"{work.folder.checkpoint} is of another model: {error}") from error
    work.run, work.best = saved["run"], saved["best"]
    work.stream.position = work.run.position
    report(f"resumed after step {work.run.step:,}")


def train(work: Work[M, B], report: Report, watch: Watch) -> Ending:
    """Run the steps that are left, and save the run's state at the end.

    `watch` sees every step once it is in the journal and before it can be in a checkpoint.
    """
    keep_freed_memory()
    ending = _run(work, report, watch)
    _save(work)
    return ending


def learn(work: Work[M, B], report: Report, watch: Watch) -> Ending:
    """Go on from the last checkpoint, run what is left, and take the weights that did best.

    Raises as `resume` and `train` do.
    """
    resume(work, report)
    ending = train(work, report, watch)
    take_best(work)
    return ending


def take_best(work: Work[M, B]) -> None:
    """Put the weights that did best in the place of the last; nothing where no metric chose any."""
    if work.best.metric is not None:
        work.trainer.load_weights(load_weights(work.folder.best, device=work.device))


def _run(work: Work[M, B], report: Report, watch: Watch) -> Ending:
    line = ProgressLine()
    saved_at_s = work.run.elapsed_s
    with (
        _interruptible() as is_interrupted,
        Journal(work.folder.journal, first_step=work.run.step) as journal,
    ):
        if _is_out_of_patience(work):
            return Ending.STOPPED_EARLY
        for done in run_steps(work.trainer, work.stream, work.plan, start=work.run):
            measured = _validate_now_and_then(work, done)
            work.run = done.run
            journal.write(_row(done, measured))
            if measured is not None:
                line.end(f"step {done.run.step:,}: {_describe_measured(measured)}")
            line.show(_describe(work, done))
            watch(done)
            if done.run.elapsed_s - saved_at_s >= work.options.checkpoint_minutes * 60:
                _save(work)
                saved_at_s = done.run.elapsed_s
            if _is_out_of_patience(work):
                report(f"stopped early: best at step {work.best.step:,}, no better since")
                return Ending.STOPPED_EARLY
            if is_interrupted():
                report(f"interrupted after step {done.run.step:,}; go on with --resume")
                return Ending.INTERRUPTED
    return Ending.WHOLE


def _validate_now_and_then(work: Work[M, B], done: StepDone) -> Measured | None:
    before, now = (work.plan.progress(run) * work.num_validations for run in (work.run, done.run))
    is_end = now >= work.num_validations
    if int(before) == int(now) or (is_end and not work.chooses_best):
        return None  # the end has its own, over all that is held back
    measured = work.validate()
    if measured.metric is not None:
        work.best = work.best.after(done.run.step, metric=measured.metric, loss=measured.loss)
        if work.best.step == done.run.step:
            save_weights(work.folder.best, work.trainer.weights())
    return measured


def _is_out_of_patience(work: Work[M, B]) -> bool:
    return work.patience is not None and work.best.num_worse >= work.patience


def _save(work: Work[M, B]) -> None:
    save_checkpoint(
        work.folder.checkpoint,
        work.run,
        work.trainer.state(),
        work.options.to_json(),
        best=work.best,
    )


def _row(done: StepDone, measured: Measured | None) -> Row:
    return Row(
        step=done.run.step,
        tokens=done.run.num_tokens,
        elapsed_s=done.run.elapsed_s,
        learning_rate=done.learning_rate,
        loss=done.result.loss,
        grad_norm=done.result.grad_norm,
        validation_loss=None if measured is None else measured.loss,
        validation_metric=None if measured is None else measured.metric,
    )


def _describe_measured(measured: Measured) -> str:
    metric = "" if measured.metric is None else f", metric {measured.metric:.3f}"
    return f"validation loss {measured.loss:.3f}{metric}"


def _describe(work: Work[M, B], done: StepDone) -> str:
    run = done.run
    progress = min(1.0, work.plan.progress(run))
    left_s = run.elapsed_s * (1 / progress - 1)
    speed = run.num_tokens / max(run.elapsed_s, 1e-9)
    bar = ("#" * round(progress * 20)).ljust(20, ".")
    return (
        f"[{bar}] {progress:4.0%}  step {run.step:,}  loss {done.result.loss:.3f}  "
        f"lr {done.learning_rate:.1e}  {speed:,.0f} {work.unit}/s  "
        f"{int(left_s // 60)}:{int(left_s % 60):02d} left"
    )


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM end the run after the step under way; a second one ends it at once."""
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted.is_set  # only the main thread may listen to signals
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in signals}

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # as signal wants it
        interrupted.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in signals:
        signal.signal(number, note)
    try:
        yield interrupted.is_set
    finally:
        for number in signals:
            signal.signal(number, before[number])
