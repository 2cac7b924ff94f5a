"""The cards of what was learnt from pairs: what it is, how good, how it was made, and of what."""

from dataclasses import dataclass
from typing import Final

from core.durable import replace_text
from core.statistics import Interval
from generation.training.card import ENDINGS, describe_tuning
from generation.training.checkpoint import Best, RunState
from generation.training.pairs.judging import Judged, M
from generation.training.pairs.preparing import PairTraining
from generation.training.running import Ending

METRIC: Final = "held-out pairs the right way round"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended, and what held-out pairs say of the model before and after it."""

    ending: Ending
    run: RunState
    best: Best
    before: Judged
    after: Judged


def write_cards(work: PairTraining[M], outcome: Outcome) -> None:
    """Write README.md, the card of what was learnt, and DATA.md, that of its pairs."""
    parts = (
        _describe_model(work, outcome),
        _describe_quality(outcome),
        describe_tuning(
            work, outcome.run, best=outcome.best, command=work.task.command, of="pairs"
        ),
    )
    replace_text(work.folder.root / "README.md", "\n\n".join(parts) + "\n")
    replace_text(work.folder.root / "DATA.md", _describe_data(work) + "\n")


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
| {METRIC} (95% interval) | {_spell(before.accuracy)} | {_spell(after.accuracy)} |
| mean margin | {before.margin:.3f} | {after.margin:.3f} |
| loss, nats per pair | {before.loss:.3f} | {after.loss:.3f} |

![loss over the steps](loss.svg)
![{METRIC}](metric.svg)"""


def _spell(share: Interval) -> str:
    return f"{share.value:.3f} ({share.low:.3f} to {share.high:.3f})"


def _describe_data(work: PairTraining[M]) -> str:
    facts = work.encoded.facts
    notes = "\n".join(f"- {note}" for note in facts.notes)
    origins = "\n".join(
        f"| {name} | {licence} | {number:,} |" for name, licence, number in facts.origins
    )
    return f"""# What {work.folder.root.resolve().name} learnt from

{notes}

| source | licence | pairs |
|---|---|---|
{origins}

Of replies that were called better than each other, neither pair was used. Who said which reply is \
better may have been wrong, and what they like is what is learnt. The licences of the texts apply \
to what is made of them."""
