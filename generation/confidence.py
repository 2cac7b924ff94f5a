"""How likely it is that the best evidence answers the question. Fitted, and honest about how."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from generation.evidence import Evidence


@dataclass(frozen=True, slots=True)
class LogisticWeights:
    """A logistic regression over what the ranker saw."""

    intercept: float
    similarity: float
    coverage: float


WEIGHTS: Final = LogisticWeights(intercept=-40.0, similarity=45.0, coverage=4.0)


def evidence_confidence(evidence: Sequence[Evidence]) -> float:
    """Probability, 0 to 1, that the best evidence holds the answer; 0 without evidence."""
    if not evidence:
        return 0.0
    best = evidence[0]
    score = (
        WEIGHTS.intercept + WEIGHTS.similarity * best.similarity + WEIGHTS.coverage * best.coverage
    )
    return 1 / (1 + math.exp(-score))
