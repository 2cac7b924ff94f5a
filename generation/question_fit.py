"""What speaks for and against the best evidence as an answer: numbers with names. Pure.

None of them understands the question. Near misses, where the right text is there and does not say,
are told by what a question adds to the text: a name or a number that the text lacks, a "not", an
opposite, a kind of answer that the quote does not hold.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

from core.types import Passage
from generation.claims import names
from generation.evidence import Evidence
from generation.negations import negated_stems
from generation.numerals import numbers
from generation.opposites import count_opposed
from generation.question_kinds import asked_kinds, holds_kind
from generation.quoting import choose_quotes, quotation
from generation.rarity import QuestionWords
from generation.words import fold, stems

_FIELD: Final = 10
_MAX_COUNTED: Final = 2
# of however many were asked for: the numbers must mean the same for every caller
_NUM_PASSAGES: Final = 8
# Between what is usual of right and of wrong evidence. A small library has little to lead over,
# which says nothing against its best sentence.
_USUAL_LEAD: Final = 0.08
_USUAL_SPREAD: Final = 0.04
_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class QuestionFit:
    """How the best evidence fits a question.

    Cosines: `similarity` of the best sentence, `dense` of the nearest passage (where retrieval did
    not tell, the sentence's), `lead` of the best sentence over the tenth (the best of many that are
    all alike is no better than they are), `spread` from the first passage to the last.

    Shares, 0 to 1, of the question's words that are held: `coverage` by the best sentence, `near`
    by its passage and `all` by all passages, weighed by rarity; `absent_near` and `absent` are
    those that the passage and that all passages lack, unweighed.

    Nothing depends on the rest of the index: a document elsewhere changes no confidence.

    Counts: `names` of the question that the passage lacks, `numbers` that the passage and
    `quote_numbers` that the quote lacks, `denied` 1 where only the question denies something,
    `opposed` 1 where the quote holds an opposite, `kind_missing` and `kind_held` of the kinds of
    answers that are asked for. `length` is the logarithm of the question's words.
    """

    similarity: float
    dense: float
    lead: float
    spread: float
    coverage: float
    near: float
    all: float
    absent_near: float
    absent: float
    names: float
    numbers: float
    quote_numbers: float
    denied: float
    opposed: float
    kind_missing: float
    kind_held: float
    length: float

    @classmethod
    def names_of_fields(cls) -> tuple[str, ...]:
        """The names, in the order of `values`."""
        return tuple(field.name for field in fields(cls))

    @property
    def values(self) -> tuple[float, ...]:
        """The numbers, in the order of the fields."""
        return tuple(float(getattr(self, name)) for name in self.names_of_fields())


def fit_question(
    question: str, passages: Sequence[Passage], evidence: Sequence[Evidence]
) -> QuestionFit:
    """Look at a question beside its evidence and the passages it is from; both best first.

    There must be some evidence.
    """
    passages = passages[:_NUM_PASSAGES]
    best = evidence[0]
    quote = quotation(choose_quotes(evidence))
    place = f"{best.passage.document_name} {best.passage.heading}"
    near = f"{best.passage.text} {place}"
    near_stems = set(stems(near))
    dense = [item.scores.get("dense", best.similarity) for item in passages or [best.passage]]
    tenth = evidence[min(_FIELD, len(evidence)) - 1]
    few_sentences, few_passages = len(evidence) < _FIELD, len(passages) < _NUM_PASSAGES
    kinds = list(asked_kinds(question))
    num_held = sum(holds_kind(kind, quote, question) for kind in kinds)
    held = [set(stems(passage.text)) for passage in passages]
    words = QuestionWords.among(question, held)
    every = set(stems(place)).union(*held)
    asked_numbers = numbers(question)
    return QuestionFit(
        similarity=best.similarity,
        dense=max(dense),
        lead=max(best.similarity - tenth.similarity, _USUAL_LEAD if few_sentences else -1.0),
        spread=max(dense[0] - dense[-1], _USUAL_SPREAD if few_passages else -1.0),
        coverage=best.coverage,
        near=words.share(near_stems),
        all=words.share(every),
        absent_near=words.lacking(near_stems),
        absent=words.lacking(every),
        names=_count({fold(name) for name in names(question)} - set(_WORD.findall(fold(near)))),
        numbers=_count(asked_numbers - numbers(best.passage.text)),
        quote_numbers=_count(asked_numbers - numbers(quote)),
        denied=float(bool(negated_stems(question)) and not negated_stems(quote)),
        opposed=float(count_opposed(question, quote) > 0),
        kind_missing=len(kinds) - num_held,
        kind_held=num_held,
        length=math.log(1 + len(words.weights)),
    )


def _count(missing: set[str] | frozenset[str]) -> float:
    return float(min(_MAX_COUNTED, len(missing)))
