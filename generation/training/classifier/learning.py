"""Train a classifier on labelled texts, and write it with its cards: the story.

Texts become vectors once, by the embedding model that stays as it is; a small head learns; held-out
texts choose the best weights, the temperature that makes its chances true, and the threshold above
which it may be acted upon.
"""

from collections.abc import Callable, Sequence
from typing import Final, cast

from core.classifier import Classifier, Subject, serialise_classifier
from core.durable import replace_file
from core.embedding import Embedder
from generation.training.classifier.cards import METRIC, Outcome, write_classifier_cards
from generation.training.classifier.judging import Calibrated, calibrate
from generation.training.classifier.options import HELP, ClassifierOptions
from generation.training.classifier.preparing import ClassifierTraining, prepare
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

CLASSIFIER: Final = "classifier.safetensors"


def train_classifier(
    options: ClassifierOptions, embedder: Embedder, *, report: Report, watch: Watch = ignore
) -> Outcome:
    """Train, or go on training, and write the classifier to `options.out`.

    Raises OptionError, DataError, CheckpointError or DivergedError; what was saved before stays.
    """
    folder = Folder(options.out)
    claim_folder(folder, result=CLASSIFIER, resume=options.resume)
    work = prepare(options, embedder, folder, report)
    before = work.judge()
    report(f"before: {before}")
    ending = learn(work, report, watch)
    calibrated = calibrate(work.score(), work.judged_targets, sure=options.sure)
    outcome = Outcome(ending, work.run, work.best, before, work.judge(), calibrated)
    _write(work, outcome)
    report(f"after:  {outcome.after}")
    report(f"wrote {folder.root} after {work.run.step:,} steps; best at step {work.best.step:,}")
    return outcome


def _write(work: ClassifierTraining, outcome: Outcome) -> None:
    """Curves, cards, and last the weights."""
    write_curves(work.folder, unit="text", metric=METRIC)
    write_classifier_cards(work, outcome)
    content = serialise_classifier(_build(work, outcome.calibrated))
    replace_file(work.folder.root / CLASSIFIER, lambda stream: stream.write(content))


def _build(work: ClassifierTraining, calibrated: Calibrated) -> Classifier:
    hidden, out = work.trainer.model.layers()
    return Classifier(
        name=work.options.name,
        subject=cast(Subject, work.options.subject),  # one of the choices
        labels=tuple(work.data.facts.labels),
        embedding_model=work.data.facts.embedding_model,
        temperature=calibrated.temperature,
        threshold=calibrated.threshold,
        hidden=hidden,
        out=out,
    )


def main(
    arguments: Sequence[str] | None,
    build_embedder: Callable[[], Embedder],
    *,
    program: str | None = None,
) -> int:
    """Parse, train, and return the exit code: 0 done, 1 failed, 2 wrong option."""
    purpose = "Train a classifier of documents or questions over the embedding model."
    parser = build_parser(ClassifierOptions, HELP, program, purpose)

    def run() -> None:
        options = ClassifierOptions(**vars(parser.parse_args(arguments)))
        train_classifier(options, build_embedder(), report=print_line)

    return run_command(run)
