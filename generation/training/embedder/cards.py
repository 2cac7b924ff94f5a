"""The cards of a tuned embedding model: what it is and gained, how it was made, and of what."""

from dataclasses import dataclass
from typing import Final

from core.statistics import Difference
from generation.training.embedder.judging import Judged
from generation.training.embedder.preparing import EmbedderTraining
from generation.training.tuning_card import (
    ENDINGS,
    TuningOutcome,
    describe_data,
    describe_tuning,
    spell_interval,
    write_cards,
)

METRIC: Final = "nDCG@10 of held-out questions"
_WARNING: Final = (
    "Questions without an answer were left out. Passages that hold a question's answer beside its "
    "own were never called wrong. The licences of the texts apply to what is made of them."
)


@dataclass(frozen=True, slots=True)
class Outcome(TuningOutcome[Judged]):
    """And how much better held-out questions find their passages."""

    gain: Difference

    @property
    def has_gained(self) -> bool:
        """Whether the gain is beyond chance."""
        return self.gain.low > 0


def write_embedder_cards(work: EmbedderTraining, outcome: Outcome) -> None:
    """Write README.md, the model's card, and DATA.md, that of its questions."""
    sections = (
        _describe_model(work, outcome),
        _describe_quality(outcome),
        describe_tuning(work, command="train embedder", of="questions"),
    )
    write_cards(work.folder, sections, _describe_data(work))


def _describe_model(work: EmbedderTraining, outcome: Outcome) -> str:
    num_learning = sum(p.numel() for p in work.trainer.model.parameters() if p.requires_grad)
    return f"""# {work.folder.root.resolve().name}

An embedding model, tuned so that questions lie near the passages that answer them. It may find \
worse what its questions did not ask about.{ENDINGS[outcome.ending]}

| | |
|---|---|
| base | `{work.base.spec.model}` |
| what was learnt | the layers, {num_learning:,} numbers; not the vocabulary's tables |
| dimensions | {work.base.spec.num_dimensions} |"""


def _describe_quality(outcome: Outcome) -> str:
    rows = zip((METRIC, "R@5"), outcome.before.intervals(), outcome.after.intervals(), strict=True)
    table = "\n".join(
        f"| {name} | {spell_interval(b)} | {spell_interval(a)} |" for name, b, a in rows
    )
    gain = outcome.gain
    verdict = "beyond chance" if outcome.has_gained else "**no gain beyond chance**"
    return f"""## Quality

{len(outcome.after.ranks):,} held-out questions over the whole corpus. They also chose the \
weights: what is claimed of them is measured elsewhere.

| measure (95% interval) | before | after |
|---|---|---|
{table}

nDCG@10 gained {gain.value:+.3f} on the same questions ({gain.low:+.3f} to {gain.high:+.3f}): \
{verdict}.

![loss over the steps](loss.svg)
![{METRIC}](metric.svg)"""


def _describe_data(work: EmbedderTraining) -> str:
    corpus = work.corpus
    return describe_data(work.folder, corpus.notes, corpus.origins, of="examples", warning=_WARNING)
