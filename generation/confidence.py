"""How likely it is that the quote answers the question. A fitted guess, stated as one."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from core.types import Passage
from generation.evidence import Evidence
from generation.language import Language, question_language
from generation.question_fit import QuestionFit, fit_question

# No chance is taken for surer: its log-odds would outweigh everything.
_SUREST: Final = 1e-4


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
        return _logistic(score)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model that was trained to read says: log-likelihoods (nats) of the refusal and of its
    reply, beside the confidence that the evidence alone gave.

    no_answer: the chance, 0 to 1, by an extractor, that nothing answers; None without one.
    """

    confidence: float
    refusal: float
    reply: float
    no_answer: float | None = None

    @property
    def chance_to_answer(self) -> float:
        """Probability, 0 to 1, that the model writes something else than the refusal."""
        return -math.expm1(min(0.0, self.refusal))

    @property
    def values(self) -> tuple[float, ...]:
        """What is weighed, in the order of `ReadingWeights`: log-odds, log-odds, nats; and log-odds
        where there is an extractor.
        """
        pointed = () if self.no_answer is None else (_log_odds(1 - self.no_answer),)
        return (
            _log_odds(self.confidence),
            _log_odds(self.chance_to_answer),
            self.reply,
            *pointed,
        )


@dataclass(frozen=True, slots=True)
class ReadingWeights:
    """A logistic regression over `Reading.values`."""

    intercept: float
    confidence: float
    refusal: float
    reply: float
    pointed: float = 0.0

    def chance(self, reading: Reading) -> float:
        """Probability, 0 to 1, that what is shown of the reply answers."""
        slopes = [self.confidence, self.refusal, self.reply]
        if reading.no_answer is not None:
            slopes.append(self.pointed)
        pairs = zip(slopes, reading.values, strict=True)
        return _logistic(self.intercept + math.fsum(slope * value for slope, value in pairs))


# Fitted by `python -m benchmarks.reader_service --limit 50` to 250 readings of articles that no
# reader learnt from. So few say little: `benchmarks/LOG.md`.
BUILT_IN_READING: Final = ReadingWeights(0.56, 0.63, 0.24, 0.07)
# The same with the extractor that comes with the service.
BUILT_IN_POINTED_READING: Final = ReadingWeights(0.15, 0.50, 0.18, 0.04, 0.13)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Weights for questions in the language of their evidence, and in another one.

    Each language has its own: what counts as similar is not the same in English and in Spanish, and
    words cannot match across languages.
    """

    within: Mapping[Language, Weights]
    across: Weights
    reading: ReadingWeights = BUILT_IN_READING
    # of readings with an extractor beside the reader
    pointed_reading: ReadingWeights = BUILT_IN_POINTED_READING
    # for receipts
    name: str = "built-in"

    def chance_of(self, reading: Reading) -> float:
        """Probability, 0 to 1, that what is shown of a reply answers."""
        weights = self.reading if reading.no_answer is None else self.pointed_reading
        return weights.chance(reading)

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


def _logistic(score: float) -> float:
    # beyond, exp overflows, and nothing is that sure
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, score))))


def _log_odds(chance: float) -> float:
    kept = max(_SUREST, min(1 - _SUREST, chance))
    return math.log(kept / (1 - kept))


# Fitted by `python -m benchmarks.confidence`; the figures: docs/decisions/0005-when-to-refuse.md
BUILT_IN: Final = Calibration(
    within={
        "en": Weights(
            -25.41,
            {
                "similarity": 27.59,
                "dense": -0.67,
                "lead": 4.18,
                "spread": 15.79,
                "coverage": 0.73,
                "near": 1.15,
                "all": -0.71,
                "absent_near": -1.08,
                "absent": -0.79,
                "names": -0.26,
                "numbers": -0.74,
                "quote_numbers": -0.12,
                "denied": -1.01,
                "opposed": 0.71,
                "kind_missing": -1.63,
                "kind_held": 0.1,
                "length": 0.77,
            },
        ),
        "es": Weights(
            -27.06,
            {
                "similarity": 16.58,
                "dense": 11.89,
                "lead": 7.9,
                "spread": 2.11,
                "coverage": 1.12,
                "near": 1.76,
                "all": -1.38,
                "absent_near": 1.15,
                "absent": -1.05,
                "names": -0.25,
                "numbers": -0.74,
                "quote_numbers": -1.27,
                "denied": -3.29,
                "opposed": -1.93,
                "kind_missing": -0.66,
                "kind_held": -0.03,
                "length": 0.25,
            },
        ),
    },
    # words cannot match, and similarities lie closer together
    across=Weights(
        -44.95,
        {
            "similarity": 47.5,
            "dense": 6.82,
            "lead": 8.67,
            "spread": 18.96,
            "coverage": 0.63,
            "near": 2.66,
            "all": -1.26,
            "absent_near": -2.5,
            "absent": 1.15,
            "names": -0.1,
            "numbers": -0.49,
            "quote_numbers": -0.6,
            "denied": -1.57,
            "opposed": 2.96,
            "kind_missing": -0.36,
            "kind_held": 0.36,
            "length": 0.05,
        },
    ),
)
