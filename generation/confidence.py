"""How likely it is that the quote answers the question. A fitted guess, stated as one."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from core.types import Passage
from generation.evidence import Evidence
from generation.language import Language, question_language
from generation.question_fit import QuestionFit, fit_question


@dataclass(frozen=True, slots=True)
class Weights:
    """A logistic regression over the fields of `QuestionFit`; those without a weight count 0."""

    intercept: float
    by_field: Mapping[str, float]

    def chance(self, fit: QuestionFit) -> float:
        """Probability, 0 to 1."""
        pairs = zip(QuestionFit.names_of_fields(), fit.values, strict=True)
        score = self.intercept + math.fsum(
            self.by_field.get(name, 0.0) * value for name, value in pairs
        )
        # beyond, exp overflows, and nothing is that sure
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, score))))


@dataclass(frozen=True, slots=True)
class Calibration:
    """Weights for questions in the language of their evidence, and in another one.

    Each language has its own: what counts as similar is not the same in English and in Spanish, and
    words cannot match across languages.
    """

    within: Mapping[Language, Weights]
    across: Weights
    # for receipts
    name: str = "built-in"

    def confidence(
        self, question: str, passages: Sequence[Passage], evidence: Sequence[Evidence]
    ) -> float:
        """Probability, 0 to 1, that the best evidence holds the answer; 0 without evidence.

        `passages` are those that the evidence is from; both come best first.
        """
        if not evidence:
            return 0.0
        language = question_language(question)
        same = language == question_language(evidence[0].text)
        weights = self.within[language] if same else self.across
        return weights.chance(fit_question(question, passages, evidence))


# Fitted by `python -m benchmarks.confidence`; the figures: docs/decisions/0005-when-to-refuse.md
BUILT_IN: Final = Calibration(
    within={
        "en": Weights(
            -26.91,
            {
                "similarity": 23.44,
                "dense": 5.16,
                "lead": 5.92,
                "spread": 11.46,
                "coverage": 1.69,
                "near": 0.41,
                "all": -0.54,
                "absent_near": -1.65,
                "absent": -0.62,
                "names": -0.28,
                "numbers": -0.66,
                "quote_numbers": -0.18,
                "denied": -0.77,
                "opposed": 0.98,
                "kind_missing": -1.24,
                "kind_held": 0.24,
                "length": 0.91,
            },
        ),
        "es": Weights(
            -26.77,
            {
                "similarity": 14.62,
                "dense": 13.46,
                "lead": 10.75,
                "spread": 7.44,
                "coverage": 1.07,
                "near": 1.12,
                "all": -0.91,
                "absent_near": 0.03,
                "absent": -0.72,
                "names": -0.31,
                "numbers": -0.44,
                "quote_numbers": -1.5,
                "denied": -3.18,
                "opposed": -1.89,
                "kind_missing": -0.62,
                "kind_held": -0.06,
                "length": 0.28,
            },
        ),
    },
    # words cannot match, and similarities lie closer together
    across=Weights(
        -43.05,
        {
            "similarity": 43.0,
            "dense": 8.63,
            "lead": 13.62,
            "spread": 17.52,
            "coverage": 0.51,
            "near": 2.69,
            "all": -1.21,
            "absent_near": -2.47,
            "absent": 1.17,
            "names": -0.12,
            "numbers": -0.47,
            "quote_numbers": -0.64,
            "denied": -1.65,
            "opposed": 2.96,
            "kind_missing": -0.36,
            "kind_held": 0.33,
            "length": 0.06,
        },
    ),
)
