"""The cards of a reader: what it is and how good, how it was made, and what it learnt from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from generation.training.reader.judging import Judged
from generation.training.reader.preparing import FineTuning
from generation.training.tuning_card import (
    ENDINGS,
    TuningOutcome,
    describe_data,
    describe_tuning,
    write_cards,
)

METRIC: Final = "replies written to the letter, mean of answers and refusals"

_WARNING: Final = (
    "An answer is a span of its passages, spelt as they spell it; an example whose answer is not "
    "there, that contradicts another, or that is longer than the window was left out. The texts "
    "may be wrong or out of date, and say what their authors thought of people and places: the "
    "reader copies, it does not judge. Their licences apply to what is made of them."
)
_MEASURES: Final[dict[str, Callable[[Judged], float | None]]] = {
    "loss, nats per token of the reply": lambda judged: judged.loss,
    "answers written to the letter": lambda judged: judged.exact_answers,
    "refusals written where there is no answer": lambda judged: judged.exact_refusals,
    "refusals begun where there is an answer": lambda judged: judged.false_refusals,
}


@dataclass(frozen=True, slots=True)
class Outcome(TuningOutcome[Judged]):
    """How a run ended, and what the development set says of the model before and after it."""


def write_reader_cards(work: FineTuning, outcome: Outcome) -> None:
    """Write README.md, the model's card, and DATA.md, that of its examples."""
    sections = (
        _describe_model(work, outcome),
        _describe_quality(outcome),
        describe_tuning(work, command="train reader", of="tokens of replies"),
    )
    write_cards(work.folder, sections, _describe_data(work))


def _describe_model(work: FineTuning, outcome: Outcome) -> str:
    options, facts = work.options, work.encoded.facts
    num_learning = sum(p.numel() for p in work.trainer.model.parameters() if p.requires_grad)
    kind = (
        f"low-rank adapter, rank {options.rank}, alpha {options.alpha:g}"
        if options.method == "lora"
        else "all weights, a model folder"
    )
    return f"""# {work.folder.root.resolve().name}

A reader: it answers a question from passages, in their words, and writes a fixed sentence where \
they do not answer. It knows nothing that the passages do not say, and may copy the wrong \
span.{ENDINGS[outcome.ending]}

| | |
|---|---|
| base | `{options.base.name}`, SHA-256 `{work.base_sha256}` |
| what was learnt | {kind}; {num_learning:,} numbers |
| prompt | `{facts.prompt}`, SHA-256 `{facts.prompt_sha256}` |
| window | {facts.window:,} tokens |"""


def _describe_quality(outcome: Outcome) -> str:
    rows = []
    for name, measure in _MEASURES.items():
        before, after = measure(outcome.before), measure(outcome.after)
        if before is not None and after is not None:
            rows.append(f"| {name} | {before:.3f} | {after:.3f} |")
    table = "\n".join(rows)
    judged = outcome.after
    return f"""## Quality

On the {judged.num_answers:,} answers and {judged.num_refusals:,} refusals of the development set, \
whose passages were not learnt from. It also chose the weights: what is claimed of them is \
measured elsewhere.

| measure | before | after |
|---|---|---|
{table}

![loss over the steps](loss.svg)
![{METRIC}](metric.svg)"""


def _describe_data(work: FineTuning) -> str:
    facts = work.encoded.facts
    return describe_data(work.folder, facts.notes, facts.origins, of="examples", warning=_WARNING)
