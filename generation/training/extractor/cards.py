"""The cards of an extractor: what it is and how well it reads, how it was made, and of what."""

from typing import Final

from generation.training.extractor.judging import Judged
from generation.training.extractor.preparing import ExtractorTraining
from generation.training.tuning_card import (
    ENDINGS,
    TuningOutcome,
    describe_data,
    describe_tuning,
    spell_interval,
    write_cards,
)

METRIC: Final = "words pointed at, and passages told apart"
_WARNING: Final = (
    "An answer is a span of its passage; an example whose answer is not there, or that contradicts "
    "another, was left out. The texts may be wrong or out of date: the extractor points, it does "
    "not judge. Their licences apply to what is made of them."
)


class Outcome(TuningOutcome[Judged]):
    """How a run ended, and how well passages were read before and after it."""


def write_extractor_cards(work: ExtractorTraining, outcome: Outcome) -> None:
    """Write README.md, the extractor's card, and DATA.md, that of its examples."""
    sections = (
        _describe_model(work, outcome),
        _describe_quality(outcome),
        describe_tuning(work, command="train extractor", of="pairs of a question and a passage"),
    )
    pairs = work.pairs
    data = describe_data(work.folder, pairs.notes, pairs.origins, of="examples", warning=_WARNING)
    write_cards(work.folder, sections, data)


def _describe_model(work: ExtractorTraining, outcome: Outcome) -> str:
    options = work.options
    num_learning = sum(p.numel() for p in work.trainer.model.parameters() if p.requires_grad)
    return f"""# {work.folder.root.resolve().name}

An extractor: it points at the words of a passage that answer a question, or at none. It can say \
nothing that the passage does not, and may point at the wrong words.{ENDINGS[outcome.ending]}

| | |
|---|---|
| base | the embedding model `{work.base.name}` |
| what was learnt | low-rank paths, rank {options.rank}, alpha {options.alpha:g}, and two scores a \
token; {num_learning:,} numbers |
| window | {options.window:,} tokens of question and passage |"""


def _describe_quality(outcome: Outcome) -> str:
    before = dict(outcome.before.rows())
    table = "\n".join(
        f"| {name} | {spell_interval(before[name])} | {spell_interval(after)} |"
        for name, after in outcome.after.rows()
    )
    return f"""## Quality

On {len(outcome.after.shared):,} answers and {len(outcome.after.others_seen):,} passages without \
one that were held back. They also chose the weights: what is claimed of them is measured elsewhere.

| measure (95% interval) | before | after |
|---|---|---|
| loss, nats per pair | {outcome.before.loss:.3f} | {outcome.after.loss:.3f} |
{table}

![loss over the steps](loss.svg)
![{METRIC}](metric.svg)"""
