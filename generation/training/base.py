"""Pre-train a small Llama from nothing on a folder of text, and write it as a model folder.

The story of `pretrain`: texts become token files once; whole documents are held back; steps follow
one another, each written to the journal; the run's state is saved now and then; at the end, or when
somebody interrupts it, the model is written with its card. Run it as
`python -m generation.training.base --help`.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace

from core.durable import replace_text
from generation.training.card import Outcome, write_card
from generation.training.export import export_model
from generation.training.journal import read_rows, write_rows
from generation.training.messages import Report, print_line, run_command
from generation.training.options import BaseOptions, parse_options
from generation.training.plot import draw_losses
from generation.training.pretraining import Pretraining, prepare
from generation.training.running import (
    Ending,
    Folder,
    Watch,
    claim_folder,
    ignore,
    resume,
    train,
)


def pretrain(options: BaseOptions, *, report: Report, watch: Watch = ignore) -> Outcome:
    """Train, or go on training, and write the model to `options.out`.

    `watch` sees every step once it is in the journal and before it can be in a checkpoint.
    Raises OptionError, DataError, CheckpointError or DivergedError; what was saved before stays.
    """
    folder = Folder(options.out)
    claim_folder(folder, result="model.safetensors", resume=options.resume)
    work = prepare(options, folder, report)
    resume(work, report)
    ending = train(work, report, watch)
    return _finish(work, is_whole=ending is Ending.WHOLE, report=report)


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


def main(arguments: Sequence[str] | None = None, *, program: str | None = None) -> int:
    """Parse, train, and return the exit code: 0 done, 1 failed, 2 wrong option."""
    return run_command(
        lambda: pretrain(parse_options(arguments, program=program), report=print_line)
    )


if __name__ == "__main__":
    sys.exit(main())
