"""One answer beside what is known of the right one. Compares letters and places; asks no model."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.evaluation.cases import EvalCase
from core.types import Passage
from generation.support import lexical_support
from generation.types import Answer, Citation
from generation.words import fold

# As much of a gold quote must be in an answer that is to count as the same in other words.
_MIN_SUPPORT: Final = 0.6
_WORD: Final = re.compile(r"\w+")
_ARTICLES: Final = frozenset(
    ("a", "an", "the", "el", "la", "los", "las", "un", "una", "unos", "unas", "lo")
)


class Stage(StrEnum):
    """Where a question came to its end: right, or the first place where it was lost."""

    RIGHT = "right"
    RIGHTLY_REFUSED = "rightly refused"
    NOT_INGESTED = "not ingested"
    NOT_CHUNKED_WHOLE = "not chunked whole"
    NOT_RETRIEVED = "not retrieved"
    LOST_IN_RANKING = "lost in ranking"
    UNUSED = "in context but unused"
    WRONG = "wrong"
    WRONGLY_REFUSED = "wrongly refused"
    NOT_REFUSED = "answered without an answer"
    MISCITED = "miscited"
    NOT_JUDGED = "not judged"

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost."""
        return self in (Stage.RIGHT, Stage.RIGHTLY_REFUSED)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the service did with one case: passages as deep as was looked, and the answer."""

    found: Sequence[Passage]
    ranked: Sequence[Passage]
    read: Sequence[Passage]
    answer: Answer


def squash(text: str) -> str:
    """Words alone, folded: what is compared."""
    return " ".join(_WORD.findall(fold(text)))


def is_from(passage: Passage, case: EvalCase) -> bool:
    """Whether a passage is of a gold document; without gold documents every one may be."""
    names = (passage.document_id, passage.document_name)
    return not case.gold_documents or any(name in case.gold_documents for name in names)


def holds_gold(passage: Passage, case: EvalCase) -> bool:
    """Whether the answer can be read off a passage."""
    if not is_from(passage, case):
        return False
    wanted = [case.gold_quote] if case.gold_quote else list(case.answers)
    text = f" {squash(passage.text)} "
    return not wanted or any(f" {squash(gold)} " in text for gold in wanted)


def is_right(case: EvalCase, answer: Answer) -> bool:
    """Whether an answer holds a given answer, else the gold quote, else cites a gold document."""
    if answer.status == "refused":
        return False
    text = f" {squash(answer.text)} "
    if case.answers:
        return any(f" {squash(gold)} " in text for gold in case.answers)
    if case.gold_quote:
        same = f" {squash(case.gold_quote)} " in text
        return same or lexical_support(case.gold_quote, answer.text) >= _MIN_SUPPORT
    return any(is_from(citation.passage, case) for citation in answer.citations)


def cites_gold(case: EvalCase, citation: Citation) -> bool:
    """Whether a citation is of a gold document."""
    return is_from(citation.passage, case)


LostBefore = Callable[[EvalCase], Stage | None]
"""Where the library says that a case's gold was lost; reads whole documents."""


def judge_stage(case: EvalCase, seen: Seen, lost_before: LostBefore) -> Stage:
    """Where the case ended; `lost_before` is asked only about one that was lost."""
    if not case.is_answerable:
        is_refused = seen.answer.status == "refused"
        return Stage.RIGHTLY_REFUSED if is_refused else Stage.NOT_REFUSED
    if not case.has_gold:
        return Stage.NOT_JUDGED
    if is_right(case, seen.answer):
        cited = [cites_gold(case, citation) for citation in seen.answer.citations]
        return Stage.RIGHT if any(cited) or not case.gold_documents else Stage.MISCITED
    return _where_lost(case, seen, lost_before)


def _where_lost(case: EvalCase, seen: Seen, lost_before: LostBefore) -> Stage:
    before = lost_before(case)
    if before is not None:
        return before
    for passages, stage in (
        (seen.found, Stage.NOT_RETRIEVED),
        (seen.read, Stage.LOST_IN_RANKING),
    ):
        if not any(holds_gold(passage, case) for passage in passages):
            return stage
    if seen.answer.status == "refused":
        return Stage.WRONGLY_REFUSED
    used = any(holds_gold(citation.passage, case) for citation in seen.answer.citations)
    return Stage.WRONG if used else Stage.UNUSED


def measure(case: EvalCase, seen: Seen) -> dict[str, float]:
    """Everything that can be said of one case in numbers, by name; what cannot is left out."""
    answer = seen.answer
    refused = answer.status == "refused"
    right = is_right(case, answer)
    measures: dict[str, float] = {}
    if not case.is_answerable:
        return {"refused_rightly": float(refused), "score": 0.0 if refused else -1.0}
    if case.has_gold:
        measures |= {
            "right": float(right),
            "score": 0.0 if refused else (1.0 if right else -1.0),
            **_measure_retrieval(case, seen),
        }
    if case.answers:
        measures["f1"] = (
            max(_f1(answer.text, gold) for gold in case.answers) if not refused else 0.0
        )
    if not refused:
        measures |= _measure_citations(case, answer)
    if any(holds_gold(passage, case) for passage in seen.read) and case.has_gold:
        measures["false_refusal"] = float(refused)
    return measures


def _measure_retrieval(case: EvalCase, seen: Seen) -> dict[str, float]:
    hits = [place for place, item in enumerate(seen.ranked, start=1) if holds_gold(item, case)]
    first = hits[0] if hits else None
    return {
        **{f"recall_{depth}": float(first is not None and first <= depth) for depth in (1, 5)},
        "reciprocal_rank": 1 / first if first is not None and first <= 10 else 0.0,
        "gold_read": float(any(holds_gold(item, case) for item in seen.read)),
    }


def _measure_citations(case: EvalCase, answer: Answer) -> dict[str, float]:
    cited = [sentence for sentence in answer.sentences if sentence.citations]
    measures = {"sentences_cited": len(cited) / max(1, len(answer.sentences))}
    if cited:
        measures["lexical_support"] = sum(item.support for item in cited) / len(cited)
    if case.gold_documents and answer.citations:
        good = sum(cites_gold(case, citation) for citation in answer.citations)
        measures["gold_document_precision"] = good / len(answer.citations)
    return measures


def _f1(text: str, gold: str) -> float:
    """Words shared, as SQuAD counts them, without articles of either language."""
    one, other = (
        Counter(word for word in squash(part).split() if word not in _ARTICLES)
        for part in (text, gold)
    )
    shared = (one & other).total()
    return 2 * shared / (one.total() + other.total()) if shared else 0.0
