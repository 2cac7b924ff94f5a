"""Tune the embedding model, and write it where questions find their passages better: the story.

The model as it is says which passages mislead it; questions learn to tell them apart; held-out
questions choose the best weights. A model that gained nothing beyond chance is not written.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Final

from core.durable import replace_text
from core.tuned_embedding import TUNED, TunedEmbedding
from generation.training.embedder.cards import METRIC, Outcome, write_embedder_cards
from generation.training.embedder.encoder import write_folder
from generation.training.embedder.judging import find_gain
from generation.training.embedder.options import HELP, EmbedderOptions
from generation.training.embedder.preparing import EmbedderTraining, EmbeddingModel, prepare
from generation.training.errors import DataError
from generation.training.messages import Report, print_line, run_command
from generation.training.options import build_parser
from generation.training.running import (
    Folder,
    Watch,
    claim_folder,
    ignore,
    learn,
)
from generation.training.tuning_card import write_curves

RESULT: Final = "model.safetensors"


def tune_embedder(
    options: EmbedderOptions, base: EmbeddingModel, *, report: Report, watch: Watch = ignore
) -> Outcome:
    """Train, or go on training, and write the model to `options.out`.

    Raises DataError, with the cards written, where no gain was measured and none is forced; and
    OptionError, CheckpointError or DivergedError. What was saved before stays.
    """
    folder = Folder(options.out)
    claim_folder(folder, result=RESULT, resume=options.resume)
    work = prepare(options, base, folder, report)
    before = work.judge()
    report(f"before: {before}")
    ending = learn(work, report, watch)
    after = work.judge()
    outcome = Outcome(ending, work.run, work.best, before, after, find_gain(after, before))
    report(f"after:  {after}")
    _write_report(work, outcome)
    gain = outcome.gain
    told = f"nDCG@10 gained {gain.value:+.3f} (95% interval {gain.low:+.3f} to {gain.high:+.3f})"
    if not outcome.has_gained and not options.force:
        raise DataError(
            f"{told}, which may be chance, so no model was written; add questions, or write it "
            "with --resume --force"
        )
    _write_model(work, outcome)
    report(f"wrote {folder.root} after {work.run.step:,} steps: {told}")
    return outcome


def _write_report(work: EmbedderTraining, outcome: Outcome) -> None:
    write_curves(work.folder, unit="question", metric=METRIC)
    write_embedder_cards(work, outcome)


def _write_model(work: EmbedderTraining, outcome: Outcome) -> None:
    """What it is, then its files, its weights last."""
    spec = work.base.spec
    tuned = TunedEmbedding(
        base=spec.model,
        num_dimensions=spec.num_dimensions,
        query_prefix=spec.query_prefix,
        passage_prefix=spec.passage_prefix,
        gain=outcome.gain.value,
        gain_low=outcome.gain.low,
        gain_high=outcome.gain.high,
        is_forced=not outcome.has_gained,
    )
    root = work.folder.root
    replace_text(root / TUNED, json.dumps(asdict(tuned), indent=2) + "\n")
    write_folder(work.trainer.model, work.base.folder, root)


def main(
    arguments: Sequence[str] | None,
    find_base: Callable[[], EmbeddingModel],
    *,
    program: str | None = None,
) -> int:
    """Parse, train, and return the exit code: 0 done, 1 failed, 2 wrong option."""
    purpose = "Tune the embedding model on questions and their passages."
    parser = build_parser(EmbedderOptions, HELP, program, purpose)

    def run() -> None:
        options = EmbedderOptions(**vars(parser.parse_args(arguments)))
        tune_embedder(options, find_base(), report=print_line)

    return run_command(run)
