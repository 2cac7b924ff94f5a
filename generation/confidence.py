"""How likely it is that the quote answers the question. A fitted guess, stated as one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from generation.evidence import Evidence
from generation.language import question_language

_FIELD: Final = 10


@dataclass(frozen=True, slots=True)
class Weights:
    """A logistic regression over `features`."""

    intercept: float
    similarity: float
    coverage: float
    lead: float


# Fitted by `python -m benchmarks.confidence` on XQuAD, 1,575 questions asked with and without
# their articles in reach; docs/decisions/0005-when-to-refuse.md has the figures.
SAME_LANGUAGE: Final = Weights(-29.7, 31.3, 5.6, 11.4)
# Words cannot match across languages, and similarities lie closer together.
ACROSS_LANGUAGES: Final = Weights(-51.0, 60.4, 4.3, 18.3)


def features(evidence: Sequence[Evidence]) -> tuple[float, float, float]:
    """What confidence goes by: similarity and coverage of the best sentence, and its lead.

    The lead is in similarity over the tenth: the best of many that are all alike is no better than
    they are.
    """
    if not evidence:
        return (0.0, 0.0, 0.0)
    best, tenth = evidence[0], evidence[min(_FIELD, len(evidence)) - 1]
    return (best.similarity, best.coverage, best.similarity - tenth.similarity)


def evidence_confidence(question: str, evidence: Sequence[Evidence]) -> float:
    """Probability, 0 to 1, that the best evidence holds the answer; 0 without evidence."""
    if not evidence:
        return 0.0
    same = question_language(question) == question_language(evidence[0].text)
    weights = SAME_LANGUAGE if same else ACROSS_LANGUAGES
    similarity, coverage, lead = features(evidence)
    score = (
        weights.intercept
        + weights.similarity * similarity
        + weights.coverage * coverage
        + weights.lead * lead
    )
    return 1 / (1 + math.exp(-score))
