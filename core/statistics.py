"""Intervals and tests by resampling. Pure numpy; the same seed gives the same numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

NUM_RESAMPLES: Final = 2_000
_TAILS: Final = (2.5, 97.5)
_Z: Final = 1.959964  # of the normal distribution, at 97.5 %


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed on the same questions, with its interval and a two-sided p.

    `p` is that of a sign-flip test: how often chance alone makes so large a difference.
    """

    value: float
    low: float
    high: float
    p: float

    @property
    def is_loss(self) -> bool:
        """Whether the change is for the worse beyond chance."""
        return self.high < 0


def bootstrap(
    statistic: Callable[[Rows], float],
    groups: Sequence[str],
    *,
    seed: int,
    num_resamples: int = NUM_RESAMPLES,
) -> Interval:
    """A statistic of rows, resampled by group: rows that share one are drawn together.

    `groups` names the group of each row, of which there must be one at least.
    """
    names, of_row = np.unique(np.array(groups), return_inverse=True)
    members = [np.flatnonzero(of_row == number) for number in range(len(names))]
    rng = np.random.default_rng(seed)
    drawn = [
        statistic(
            np.concatenate([members[pick] for pick in rng.integers(0, len(names), len(names))])
        )
        for _ in range(num_resamples)
    ]
    low, high = np.percentile(drawn, _TAILS)
    return Interval(statistic(np.arange(len(groups))), float(low), float(high))


def mean_interval(values: Sequence[float], *, seed: int) -> Interval:
    """The mean of independent values, of which there must be one at least."""
    array = np.array(values, dtype=np.float64)
    means = array[_picks(len(array), seed)].mean(1)
    low, high = np.percentile(means, _TAILS)
    return Interval(float(array.mean()), float(low), float(high))


def wilson_interval(num_hits: float, num: int) -> Interval:
    """A share of independent trials, of which there must be one at least (Wilson 1927).

    Unlike resampling it tells how little is known where all trials, or none, were hits.
    """
    share = num_hits / num
    middle = (share + _Z**2 / (2 * num)) / (1 + _Z**2 / num)
    reach = _Z / (1 + _Z**2 / num) * (share * (1 - share) / num + (_Z / (2 * num)) ** 2) ** 0.5
    return Interval(share, max(0.0, middle - reach), min(1.0, middle + reach))


def paired_difference(after: Sequence[float], before: Sequence[float], *, seed: int) -> Difference:
    """The mean of `after` minus `before`, question by question; there must be one at least."""
    gains = np.array(after, dtype=np.float64) - np.array(before, dtype=np.float64)
    means = gains[_picks(len(gains), seed)].mean(1)
    low, high = np.percentile(means, _TAILS)
    signs = np.random.default_rng(seed).choice((-1.0, 1.0), (NUM_RESAMPLES, len(gains)))
    # a hair of tolerance: sums of the same numbers in another order differ in their last bit
    as_large = np.abs((signs * gains).mean(1)) >= abs(gains.mean()) - 1e-12
    p = (1 + int(as_large.sum())) / (1 + NUM_RESAMPLES)
    return Difference(float(gains.mean()), float(low), float(high), p)


def _picks(size: int, seed: int) -> Rows:
    return np.random.default_rng(seed).integers(0, size, (NUM_RESAMPLES, size))
