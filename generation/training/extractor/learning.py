"""Train an extractor over the embedding model: the story."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from core.durable import replace_file
from generation.engine.adapters import serialise_adapter
from generation.extractor import FORMAT, hash_weights
from generation.training.extractor.cards import METRIC, Outcome, write_extractor_cards
from generation.training.extractor.options import HELP, ExtractorOptions
from generation.training.extractor.preparing import ExtractorTraining, prepare
from generation.training.messages import Report, print_line, run_command
from generation.training.options import build_parser
from generation.training.running import Folder, Watch, claim_folder, ignore, learn
from generation.training.tuning_card import write_curves

RESULT: Final = "extractor.safetensors"


def train_extractor(
    options: ExtractorOptions, base: Path, *, report: Report, watch: Watch = ignore
) -> Outcome:
    """Train, or go on training, and write the extractor to `options.out`.

    base: folder of the embedding model. Raises DataError, OptionError, CheckpointError or
    DivergedError. What was saved before stays.
    """
    folder = Folder(options.out)
    claim_folder(folder, result=RESULT, resume=options.resume)
    work = prepare(options, base, folder, report)
    before = work.judge()
    report(f"before: {before}")
    ending = learn(work, report, watch)
    after = work.judge()
    outcome = Outcome(ending, work.run, work.best, before, after)
    report(f"after:  {after}")
    _write(work, outcome)
    report(f"wrote {folder.root} after {work.run.step:,} steps; best at step {work.best.step:,}")
    return outcome


def _write(work: ExtractorTraining, outcome: Outcome) -> None:
    """The cards, and last the extractor."""
    write_curves(work.folder, unit="pair", metric=METRIC)
    write_extractor_cards(work, outcome)
    model = work.trainer.model
    adapter = model.build_adapter(base_sha256=hash_weights(work.base))
    content = serialise_adapter(adapter, kind=FORMAT, others=model.build_head())
    replace_file(work.folder.root / RESULT, lambda stream: stream.write(content))


def main(
    arguments: Sequence[str] | None,
    find_base: Callable[[], Path],
    *,
    program: str | None = None,
) -> int:
    """Parse, train, and return the exit code: 0 done, 1 failed, 2 wrong option."""
    purpose = "Train an extractor: where in a passage a question is answered."
    parser = build_parser(ExtractorOptions, HELP, program, purpose)

    def run() -> None:
        options = ExtractorOptions(**vars(parser.parse_args(arguments)))
        train_extractor(options, find_base(), report=print_line)

    return run_command(run)
