"""Pairs from a model's own drafts, which of two is better said by what the passages support.

Nobody has to rate anything: a draft is good where what would be shown of it stands and holds the
known answer, bad where nothing of it stands or where it lacks the answer. Where no draft is good,
the sentence of the passages that holds the answer takes its place. Where the passages do not
answer, saying so is better than any draft.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from generation.best_of import check_draft
from generation.evidence import Evidence, find_sentences
from generation.generator import Generator
from generation.prompts import PromptTemplate
from generation.reading import is_refusal
from generation.reward import Candidate
from generation.spans import find_span
from generation.training.pairs.encoding import as_passages
from generation.training.reader.examples import Example
from generation.types import Sampling

SOURCE: Final = "drafts"


@dataclass(slots=True)
class DraftCounts:
    """What became of the questions."""

    num_questions: int = 0
    num_pairs: int = 0
    without: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        reasons = ", ".join(f"{why} {n:,}" for why, n in self.without.most_common()) or "none"
        return (
            f"{self.num_questions:,} questions gave {self.num_pairs:,} pairs; "
            f"questions without one: {reasons}"
        )


def draft_pairs(
    examples: Iterable[Example],
    generator: Generator,
    template: PromptTemplate,
    sampling: Sampling,
    counts: DraftCounts,
) -> Iterator[dict[str, Any]]:
    """A line of a file of pairs for every question that has a good reply and a bad one.

    Questions are drafted for one after the other, each with a seed of its own.
    """
    for number, example in enumerate(examples):
        counts.num_questions += 1
        passages = as_passages(example.passages)
        messages = template.render(example.question, passages, example.language)
        seeded = replace(sampling, seed=sampling.seed + number)
        drafts = generator.sample(messages, seeded, cancelled=lambda: False)
        spans = find_sentences(passages)
        checked = [check_draft(example.question, draft, spans, "end") for draft in drafts]
        found = judge_drafts(example.answer, checked, spans)
        if isinstance(found, str):
            counts.without[found] += 1
            continue
        counts.num_pairs += 1
        chosen, rejected = found
        yield {
            "question": example.question,
            "passages": [{"name": each.name, "text": each.text} for each in example.passages],
            "chosen": chosen,
            "rejected": rejected,
            "language": example.language,
            "source": SOURCE,
            "licence": example.licence,
        }


def judge_drafts(
    answer: str | None, drafts: Sequence[Candidate], spans: Sequence[Evidence]
) -> tuple[str | None, str] | str:
    """The better reply and the worse, or why there are no two. `answer` None: there is none."""
    texts = [each.answer for each in drafts if each.answer.strip()]
    if answer is None:
        worse = next((text for text in texts if not is_refusal(text)), None)
        return "no draft answers" if worse is None else (None, worse)
    good = [each for each in drafts if find_span(answer, each.shown)]
    bad = [each for each in drafts if each.answer.strip() and not find_span(answer, each.shown)]
    if not bad:
        return "no draft is bad"
    if good:
        better = max(good, key=lambda each: each.support).shown
    else:
        held = [span.text for span in spans if find_span(answer, span.text)]
        if not held:
            return "no sentence holds the answer"
        better = held[0]
    return better.strip(), min(bad, key=lambda each: each.support).answer.strip()
