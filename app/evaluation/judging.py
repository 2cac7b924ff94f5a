"""One answer beside what is known of the right one. Compares letters and places; asks no model."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.evaluation.cases import EvalCase
from core.types import Passage
from generation.citations import support_of
from generation.language import question_language
from generation.types import Answer, Citation
from generation.words import fold

# As deep as ranks count in MRR and nDCG.
_RANKED: Final = 10
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


def holds_any(text: str, golds: Iterable[str]) -> bool:
    """Whether a text holds one of these, word by word."""
    words = f" {squash(text)} "
    return any(f" {squash(gold)} " in words for gold in golds)


def is_from(passage: Passage, case: EvalCase) -> bool:
    """Whether a passage is of a gold document; without gold documents every one may be."""
    names = (passage.document_id, passage.document_name)
    return not case.gold_documents or any(name in case.gold_documents for name in names)


def holds_gold(passage: Passage, case: EvalCase) -> bool:
    """Whether the answer can be read off a passage."""
    if not is_from(passage, case):
        return False
    return not case.gold_texts or holds_any(passage.text, case.gold_texts)


def is_right(case: EvalCase, answer: Answer) -> bool:
    """Whether an answer holds a given answer, else the gold quote, else cites a gold document.

    The quote may be in other words, as a sentence may be that a span supports: with the numbers,
    dates and names of the quote, denying what it denies.
    """
    if answer.status == "refused":
        return False
    if case.answers:
        return holds_any(answer.text, case.answers)
    if case.gold_quote:
        same = holds_any(answer.text, [case.gold_quote])
        return same or support_of(case.gold_quote, answer.text) > 0
    return any(is_from(citation.passage, case) for citation in answer.citations)


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
        cited = [is_from(citation.passage, case) for citation in seen.answer.citations]
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
    if not case.is_answerable:
        return {"refused_rightly": float(refused), "score": 0.0 if refused else -1.0}
    measures: dict[str, float] = {}
    if case.has_gold:
        right = is_right(case, answer)
        measures |= {
            "right": float(right),
            "score": 0.0 if refused else (1.0 if right else -1.0),
            **_measure_retrieval(case, seen),
        }
        if any(holds_gold(passage, case) for passage in seen.read):
            measures["false_refusal"] = float(refused)
    if case.answers:
        measures |= _measure_reading(case, "" if refused else answer.text)
    if not refused:
        measures |= _measure_citations(case, seen)
        measures["same_language"] = float(question_language(answer.text) == case.language)
    return measures


def _measure_retrieval(case: EvalCase, seen: Seen) -> dict[str, float]:
    first = next(
        (
            place
            # what was ranked ends early where the answer reads few: then how deep it was found
            for passages in (seen.ranked, seen.found)
            for place, item in enumerate(passages, start=1)
            if holds_gold(item, case)
        ),
        math.inf,
    )
    is_ranked = first <= _RANKED
    return {
        **{f"recall_{depth}": float(first <= depth) for depth in (1, 5, 20)},
        "reciprocal_rank": 1 / first if is_ranked else 0.0,
        # of one passage that counts, the ideal being the first place
        "ndcg_10": 1 / math.log2(1 + first) if is_ranked else 0.0,
        "gold_read": float(any(holds_gold(item, case) for item in seen.read)),
    }


def _measure_reading(case: EvalCase, text: str) -> dict[str, float]:
    """As SQuAD does it, without articles of either language."""
    words = _plain_words(text)
    golds = [_plain_words(gold) for gold in case.answers]
    return {
        "exact_match": float(bool(words) and words in golds),
        "f1": max(_f1(words, gold) for gold in golds),
    }


def _measure_citations(case: EvalCase, seen: Seen) -> dict[str, float]:
    answer = seen.answer
    cited = [sentence for sentence in answer.sentences if sentence.citations]
    measures = {"sentences_cited": len(cited) / max(1, len(answer.sentences))}
    if cited:
        measures["lexical_support"] = sum(item.support for item in cited) / len(cited)
    if not answer.citations:
        return measures
    read = {passage.id for passage in seen.read}
    measures["citations_valid"] = _share(item.passage.id in read for item in answer.citations)
    measures["exact_quotes"] = _share(map(_is_exact, answer.citations))
    if case.gold_documents:
        from_gold = [is_from(item.passage, case) for item in answer.citations]
        measures["gold_document_precision"] = _share(from_gold)
        names = {
            name
            for item in answer.citations
            for name in (item.passage.document_id, item.passage.document_name)
        }
        measures["gold_document_recall"] = _share(name in names for name in case.gold_documents)
    return measures


def _is_exact(citation: Citation) -> bool:
    passage = citation.passage
    start, end = (place - passage.start for place in (citation.start, citation.end))
    return start >= 0 and passage.text[start:end] == citation.quote


def _share(values: Iterable[bool]) -> float:
    counted = list(values)
    return sum(counted) / len(counted)


def _plain_words(text: str) -> list[str]:
    return [word for word in squash(text).split() if word not in _ARTICLES]


def _f1(words: Sequence[str], gold: Sequence[str]) -> float:
    """Words shared."""
    shared = (Counter(words) & Counter(gold)).total()
    return 2 * shared / (len(words) + len(gold)) if shared else 0.0
