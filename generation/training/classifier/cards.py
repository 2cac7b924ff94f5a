"""The cards of a classifier: what it is, how good, how it was made, and of what."""

from dataclasses import dataclass
from typing import Final

from generation.training.classifier.judging import Calibrated, Judged, describe_labels
from generation.training.classifier.preparing import ClassifierTraining
from generation.training.tuning_card import (
    ENDINGS,
    TuningOutcome,
    describe_data,
    describe_tuning,
    spell_interval,
    write_cards,
)

METRIC: Final = "macro-F1 of held-out texts"
_WARNING: Final = (
    "A text with several labels, one that was said before or nearly so, and a label of one text "
    "alone were left out. Whoever labelled them may have been wrong, and that is learnt too."
)


@dataclass(frozen=True, slots=True)
class Outcome(TuningOutcome[Judged]):
    """And how sure it may be of what it says."""

    calibrated: Calibrated


def write_classifier_cards(work: ClassifierTraining, outcome: Outcome) -> None:
    """Write README.md, the classifier's card, and DATA.md, that of its texts."""
    sections = (
        _describe_model(work, outcome),
        _describe_quality(work, outcome),
        describe_tuning(work, command="train classifier", of="texts"),
    )
    write_cards(work.folder, sections, _describe_data(work))


def _describe_model(work: ClassifierTraining, outcome: Outcome) -> str:
    options, facts = work.options, work.data.facts
    num_learning = sum(p.numel() for p in work.trainer.model.parameters())
    kind = f"a hidden layer of {options.hidden} and a last one" if options.hidden else "one layer"
    return f"""# {work.folder.root.resolve().name}

A classifier of {options.subject} by their {options.name}. It knows {len(facts.labels)} labels and \
gives every text one of them; where its chance is below the threshold, it says that it is not \
sure.{ENDINGS[outcome.ending]}

| | |
|---|---|
| vectors | `{facts.embedding_model}`, not changed |
| what was learnt | {kind}; {num_learning:,} numbers |
| labels | {", ".join(facts.labels)} |"""


def _describe_quality(work: ClassifierTraining, outcome: Outcome) -> str:
    before, after, calibrated = outcome.before, outcome.after, outcome.calibrated
    rows = "\n".join(describe_labels(work.data.facts.labels, after, work.judged_targets))
    return f"""## Quality

On {after.num_texts:,} held-out texts. They also chose the weights, the temperature and the \
threshold: what is claimed of them is measured elsewhere.

| measure | before | after |
|---|---|---|
| macro-F1 (95% interval) | {spell_interval(before.macro_f1)} | {spell_interval(after.macro_f1)} |
| accuracy | {before.accuracy:.3f} | {after.accuracy:.3f} |
| loss, nats per text | {before.loss:.3f} | {after.loss:.3f} |

| label | F1 | held-out texts |
|---|---|---|
{rows}

Chances are divided by a temperature of {calibrated.temperature:.3g}: the expected calibration \
error is {calibrated.error:.3f}, and was {calibrated.error_before:.3f}. \
{_tell_threshold(work, calibrated)}

![loss over the steps](loss.svg)
![{METRIC}](metric.svg)"""


def _tell_threshold(work: ClassifierTraining, calibrated: Calibrated) -> str:
    if calibrated.sure_right is None:
        return (
            f"At no threshold would {work.options.sure:.0%} of the labels be right, so it is never "
            "sure."
        )
    return (
        f"It is sure of {calibrated.sure_share:.0%} of the texts, from a chance of "
        f"{calibrated.threshold:.3f} on, and {calibrated.sure_right:.0%} of those are right."
    )


def _describe_data(work: ClassifierTraining) -> str:
    facts = work.data.facts
    return describe_data(work.folder, facts.notes, facts.origins, of="texts", warning=_WARNING)
