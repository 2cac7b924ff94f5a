"""Fit confidence to questions whose right answers are known, and judge it. Pure numpy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from generation.confidence import Reading, ReadingWeights, Weights
from generation.question_fit import QuestionFit

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

# Of the standardised fields; between 1 and 100 nothing changes that questions could show.
_RIDGE: Final = 10.0
_NUM_FOLDS: Final = 5
_MAX_STEPS: Final = 50
_STEP_TOLERANCE: Final = 1e-8
_MAX_POINTS: Final = 200


@dataclass(frozen=True, slots=True)
class Case:
    """One question: its fit, whether the quote held the answer, and what it must not share a fold
    with (its article or document). It counts as `weight` questions.
    """

    fit: QuestionFit
    is_right: bool
    group: str
    weight: float = 1.0


def fit_weights(cases: Sequence[Case]) -> Weights:
    """A logistic regression with a ridge. It needs right and wrong cases, of each at least one."""
    return _fit(_inputs(cases), _labels(cases), _weights(cases))


def cross_validate(cases: Sequence[Case], *, seed: int) -> Floats:
    """The chance of each case by weights that were fitted without its group -> (N,)."""
    inputs, labels, counted = _inputs(cases), _labels(cases), _weights(cases)
    chances = np.zeros(len(cases))
    for kept, held_out in _folds([case.group for case in cases], seed=seed):
        weights = _fit(inputs[kept], labels[kept], counted[kept])
        chances[held_out] = [weights.chance(cases[row].fit) for row in held_out]
    return chances


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """Share of wrong answers among the surest, for each share of questions that is answered.

    `area` is the mean risk over all coverages: smaller is better, and 0 cannot be reached where
    anything is wrong.
    """

    coverage: Floats
    risk: Floats

    @property
    def area(self) -> float:
        """Mean risk."""
        return float(self.risk.mean())

    @property
    def points(self) -> list[tuple[float, float]]:
        """Coverage and risk, to be drawn: so many that more would not be seen."""
        last = len(self.risk) - 1
        drawn = np.unique(np.linspace(0, last, min(last + 1, _MAX_POINTS)).round().astype(int))
        return list(zip(self.coverage[drawn].tolist(), self.risk[drawn].tolist(), strict=True))


def fit_reading(readings: Sequence[Reading], right: Booleans) -> ReadingWeights:
    """How the confidence and a reader's likelihoods are weighed. Needs right and wrong readings."""
    inputs = np.array([reading.values for reading in readings])  # (N, 3)
    intercept, slopes = _solve(inputs, right.astype(np.float64), np.ones(len(inputs)))
    return ReadingWeights(intercept, *slopes.tolist())


def cross_validate_reading(
    readings: Sequence[Reading], right: Booleans, groups: Sequence[str], *, seed: int
) -> Floats:
    """The chance of each reading by weights that were fitted without its group -> (N,)."""
    chances = np.zeros(len(readings))
    for kept, held_out in _folds(groups, seed=seed):
        weights = fit_reading([readings[row] for row in kept], right[kept])
        chances[held_out] = [weights.chance(readings[row]) for row in held_out]
    return chances


def risk_coverage(scores: Floats, right: Booleans) -> RiskCoverage:
    """The curve of any score that is higher where an answer is more likely right."""
    ordered = right[np.argsort(-scores, kind="stable")]
    answered = np.arange(1, len(ordered) + 1)
    return RiskCoverage(answered / len(ordered), np.cumsum(~ordered) / answered)


def _folds(groups: Sequence[str], *, seed: int) -> Iterator[tuple[list[int], list[int]]]:
    """Rows to fit to and rows to judge, of each fold; a group is in one of both only."""
    names = sorted(set(groups))
    order = np.random.default_rng(seed).permutation(len(names))
    fold_of = {names[index]: place % _NUM_FOLDS for place, index in enumerate(order)}
    folds = np.array([fold_of[group] for group in groups])
    for fold in np.unique(folds):
        yield np.flatnonzero(folds != fold).tolist(), np.flatnonzero(folds == fold).tolist()


def _inputs(cases: Sequence[Case]) -> Floats:
    return np.array([case.fit.values for case in cases])  # (N, F)


def _labels(cases: Sequence[Case]) -> Floats:
    return np.array([case.is_right for case in cases], dtype=np.float64)  # (N,)


def _weights(cases: Sequence[Case]) -> Floats:
    return np.array([case.weight for case in cases], dtype=np.float64)  # (N,)


def _fit(inputs: Floats, labels: Floats, counted: Floats) -> Weights:
    intercept, slopes = _solve(inputs, labels, counted)
    return Weights(
        intercept, dict(zip(QuestionFit.names_of_fields(), slopes.tolist(), strict=True))
    )


def _solve(inputs: Floats, labels: Floats, counted: Floats) -> tuple[float, Floats]:
    """Intercept and slopes (F,) over the inputs (N, F) as they are."""
    mean = np.average(inputs, axis=0, weights=counted)
    spread = np.sqrt(np.average((inputs - mean) ** 2, axis=0, weights=counted))
    # what never changes tells nothing, and would be divided by nothing
    spread = np.where(spread < 1e-9, 1.0, spread)
    solved = _newton((inputs - mean) / spread, labels, counted)
    slopes = solved[1:] / spread
    return float(solved[0] - slopes @ mean), slopes


def _newton(inputs: Floats, labels: Floats, counted: Floats) -> Floats:
    design = np.column_stack([np.ones(len(inputs)), inputs])  # (N, 1 + F)
    ridge = np.full(design.shape[1], _RIDGE)
    ridge[0] = 1e-3  # the intercept is free
    weights = np.zeros(design.shape[1])
    for _ in range(_MAX_STEPS):
        chances = 1 / (1 + np.exp(-design @ weights))
        gradient = design.T @ (counted * (labels - chances)) - ridge * weights
        curvature = (design * (counted * chances * (1 - chances))[:, None]).T @ design
        step = np.linalg.solve(curvature + np.diag(ridge), gradient)
        weights += step
        if np.abs(step).max() < _STEP_TOLERANCE:
            break
    return weights
