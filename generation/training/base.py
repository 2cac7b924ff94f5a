"""Pre-train a small Llama from nothing on a folder of text, and write it as a model folder.

The story of `pretrain`: texts become token files once; whole documents are held back; steps follow
one another, each written to the journal; the run's state is saved now and then; at the end, or when
somebody interrupts it, the model is written with its card. Run it as
`python -m generation.training.base --help`.
"""

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import Final

from core.durable import replace_text
from generation.training.card import Outcome, write_card
from generation.training.checkpoint import load_checkpoint, save_checkpoint
from generation.training.corpus import Report
from generation.training.errors import CheckpointError, OptionError, TrainingError
from generation.training.export import export_model
from generation.training.journal import Journal, Row, read_rows, write_rows
from generation.training.loop import StepDone, run_steps
from generation.training.messages import ProgressLine, print_line
from generation.training.options import BaseOptions, parse_options
from generation.training.plot import draw_losses
from generation.training.pretraining import Folder, Pretraining, prepare

NUM_VALIDATIONS: Final = 10  # over a run, on a sample; at its end one over all that is held back

Watch = Callable[[StepDone], None]


def ignore(done: StepDone) -> None:
    """Watch nothing."""


def pretrain(options: BaseOptions, *, report: Report, watch: Watch = ignore) -> Outcome:
    """Train, or go on training, and write the model to `options.out`.

    `watch` sees every step once it is in the journal and before it can be in a checkpoint.
    Raises OptionError, DataError, CheckpointError or DivergedError; what was saved before stays.
    """
    folder = Folder(options.out)
    _check_folder(folder, resume=options.resume)
    work = prepare(options, folder, report)
    if options.resume and folder.checkpoint.exists():
        _load(work)
        report(f"resumed after step {work.run.step:,}")
    is_whole = _train(work, report, watch)
    _save(work)
    return _finish(work, is_whole=is_whole, report=report)


def _check_folder(folder: Folder, *, resume: bool) -> None:
    if folder.checkpoint.exists() and not resume:
        raise OptionError(
            f"--out: {folder.root} holds a run already; go on with --resume, or name another folder"
        )
    if (folder.root / "model.safetensors").exists() and not folder.checkpoint.exists():
        raise OptionError(f"--out: {folder.root} holds a model already; name another folder")
    try:
        folder.state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(f"--out: {folder.root} cannot be made ({error.strerror})") from error


def _load(work: Pretraining) -> None:
    saved = load_checkpoint(work.folder.checkpoint, device=work.device)
    work.options.require_same_run(saved["options"])
    try:
        work.trainer.load_state(saved["trainer"])
    except (RuntimeError, ValueError, KeyError) as error:
        raise CheckpointError(f"{work.folder.checkpoint} is of another model: {error}") from error
    work.run = saved["run"]
    work.stream.position = work.run.position


def _save(work: Pretraining) -> None:
    save_checkpoint(work.folder.checkpoint, work.run, work.trainer.state(), work.options.to_json())


def _train(work: Pretraining, report: Report, watch: Watch) -> bool:
    """Run the steps that are left; False where somebody interrupted them."""
    line = ProgressLine()
    saved_at_s = work.run.elapsed_s
    with (
        _interruptible() as is_interrupted,
        Journal(work.folder.journal, first_step=work.run.step) as journal,
    ):
        for done in run_steps(work.trainer, work.stream, work.plan, start=work.run):
            validation_loss = _validate_now_and_then(work, done)
            work.run = done.run
            journal.write(_row(done, validation_loss))
            if validation_loss is not None:
                line.end(f"step {done.run.step:,}: validation loss {validation_loss:.3f}")
            line.show(_describe(work, done))
            watch(done)
            if done.run.elapsed_s - saved_at_s >= work.options.checkpoint_minutes * 60:
                _save(work)
                saved_at_s = done.run.elapsed_s
            if is_interrupted():
                report(f"interrupted after step {done.run.step:,}; go on with --resume")
                return False
    return True


def _validate_now_and_then(work: Pretraining, done: StepDone) -> float | None:
    before, now = (work.plan.progress(run) * NUM_VALIDATIONS for run in (work.run, done.run))
    if int(before) == int(now) or now >= NUM_VALIDATIONS:
        return None  # the end has its own, over all that is held back
    return work.trainer.mean_loss(work.validation.sample())


def _finish(work: Pretraining, *, is_whole: bool, report: Report) -> Outcome:
    """Validate on everything held back; write the model, its loss curve and its card."""
    loss = work.trainer.mean_loss(work.validation.batches())
    outcome = Outcome(
        run=work.run,
        is_whole=is_whole,
        validation_loss=loss,
        bits_per_byte=work.validation.bits_per_byte(loss),
        baseline_loss=work.validation.unigram_loss(),
    )
    rows = list(read_rows(work.folder.journal))
    if rows:
        rows[-1] = replace(rows[-1], validation_loss=loss)
    replace_text(work.folder.root / "loss.svg", draw_losses(rows, baseline=outcome.baseline_loss))
    write_rows(work.folder.journal, rows)
    write_card(work, outcome)
    export_model(work.trainer.model, work.options.tokenizer, work.folder.root, dtype=work.dtype)
    report(
        f"wrote {work.folder.root}: validation loss {loss:.3f} nats per token "
        f"({outcome.bits_per_byte:.3f} bits per byte; token frequencies alone "
        f"{outcome.baseline_loss:.3f}) after {work.run.step:,} steps"
    )
    return outcome


def _row(done: StepDone, validation_loss: float | None) -> Row:
    return Row(
        step=done.run.step,
        tokens=done.run.num_tokens,
        elapsed_s=done.run.elapsed_s,
        learning_rate=done.learning_rate,
        loss=done.result.loss,
        grad_norm=done.result.grad_norm,
        validation_loss=validation_loss,
    )


def _describe(work: Pretraining, done: StepDone) -> str:
    run = done.run
    progress = min(1.0, work.plan.progress(run))
    left_s = run.elapsed_s * (1 / progress - 1)
    speed = run.num_tokens / max(run.elapsed_s, 1e-9)
    return (
        f"step {run.step:,}  {progress:4.0%}  loss {done.result.loss:.3f}  "
        f"lr {done.learning_rate:.1e}  {speed:,.0f} tokens/s  "
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


def main(arguments: Sequence[str] | None = None, *, program: str | None = None) -> int:
    """Parse, train, and return the exit code: 0 done, 1 failed, 2 wrong option."""
    try:
        pretrain(parse_options(arguments, program=program), report=print_line)
    except TrainingError as error:
        print_line(f"error: {error}")
        return 2 if isinstance(error, OptionError) else 1
    except OSError as error:
        print_line(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        print_line("interrupted at once; what was saved before stays")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
