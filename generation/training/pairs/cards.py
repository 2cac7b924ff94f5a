"""The cards of what was learnt from pairs: what it is, how good, how it was made, and of what."""

from dataclasses import dataclass
from typing import Final

from generation.training.pairs.judging import Judged, M
from generation.training.pairs.preparing import PairTraining
from generation.training.tuning_card import (
    ENDINGS,
    TuningOutcome,
    describe_data,
    describe_tuning,
    spell_interval,
    write_cards,
)

METRIC: Final = "held-out pairs the right way round"
_WARNING: Final = (
    "Of replies that were called better than each other, neither pair was used. Who said which "
    "reply is better may have been wrong, and what they like is what is learnt. The licences of "
    "the texts apply to what is made of them."
)


@dataclass(frozen=True, slots=True)
class Outcome(TuningOutcome[Judged]):
    """How a run ended, and what held-out pairs say of the model before and after it."""


def write_pair_cards(work: PairTraining[M], outcome: Outcome) -> None:
    """Write README.md, the card of what was learnt, and DATA.md, that of its pairs."""
    sections = (
        _describe_model(work, outcome),
        _describe_quality(outcome),
        describe_tuning(work, command=work.task.command, of="pairs"),
    )
    write_cards(work.folder, sections, _describe_data(work))


def _describe_model(work: PairTraining[M], outcome: Outcome) -> str:
    options, facts = work.options, work.encoded.facts
    num_learning = sum(p.numel() for p in work.trainer.model.parameters() if p.requires_grad)
    begun = "" if options.adapter is None else f"\n| begun from | `{options.adapter.name}` |"
    return f"""# {work.folder.root.resolve().name}

{work.task.purpose}{ENDINGS[outcome.ending]}

| | |
|---|---|
| base | `{options.base.name}`, SHA-256 `{work.base_sha256}` |{begun}
| what was learnt | low-rank paths, rank {options.rank}, alpha {options.alpha:g}; \
{num_learning:,} numbers |
| prompt | `{facts.prompt}`, SHA-256 `{facts.prompt_sha256}` |
| window | {facts.window:,} tokens |"""


def _describe_quality(outcome: Outcome) -> str:
    before, after = outcome.before, outcome.after
    return f"""## Quality

On {after.num_pairs:,} held-out pairs, whose passages were not learnt from. They also chose the \
weights: what is claimed of them is measured elsewhere. The margin of a pair is the number of its \
better reply less that of the other; where both are equal, half a pair counts.

| measure | before | after |
|---|---|---|
| {METRIC} (95% interval) | {spell_interval(before.accuracy)} | {spell_interval(after.accuracy)} |
| mean margin | {before.margin:.3f} | {after.margin:.3f} |
| loss, nats per pair | {before.loss:.3f} | {after.loss:.3f} |

![loss over the steps](loss.svg)
![{METRIC}](metric.svg)"""


def _describe_data(work: PairTraining[M]) -> str:
    facts = work.encoded.facts
    return describe_data(work.folder, facts.notes, facts.origins, of="pairs", warning=_WARNING)
