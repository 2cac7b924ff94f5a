"""The cards of a tuned embedding model: what it is and gained, how it was made, and of what."""

from dataclasses import dataclass
from typing import Final

from core.durable import replace_text
from core.statistics import Difference, Interval
from generation.training.card import ENDINGS, describe_tuning
from generation.training.checkpoint import Best, RunState
from generation.training.embedder.judging import Judged
from generation.training.embedder.preparing import EmbedderTraining
from generation.training.running import Ending

METRIC: Final = "nDCG@10 of held-out questions"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended, and how held-out questions find their passages before and after it."""

    ending: Ending
    run: RunState
    best: Best
    before: Judged
    after: Judged
    gain: Difference

    @property
    def has_gained(self) -> bool:
        """Whether the gain is beyond chance."""
        return self.gain.low > 0


def write_cards(work: EmbedderTraining, outcome: Outcome) -> None:
    """Write README.md, the model's card, and DATA.md, that of its questions."""
    parts = (
        _describe_model(work, outcome),
        _describe_quality(outcome),
        describe_tuning(
            work, outcome.run, best=outcome.best, command="train embedder", of="questions"
        ),
    )
    replace_text(work.folder.root / "README.md", "\n\n".join(parts) + "\n")
    replace_text(work.folder.root / "DATA.md", _describe_data(work) + "\n")


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
    table = "\n".join(f"| {name} | {_spell(b)} | {_spell(a)} |" for name, b, a in rows)
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


def _spell(figure: Interval) -> str:
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def _describe_data(work: EmbedderTraining) -> str:
    notes = "\n".join(f"- {note}" for note in work.corpus.notes)
    origins = "\n".join(
        f"| {name} | {licence} | {number:,} |" for name, licence, number in work.corpus.origins
    )
    return f"""# What {work.folder.root.resolve().name} learnt from

{notes}

| source | licence | examples |
|---|---|---|
{origins}

Questions without an answer were left out. Passages that hold a question's answer beside its own \
were never called wrong. The licences of the texts apply to what is made of them."""
