"""Intervals and tests: repeatable, wider with fewer groups, and blind to what is no change."""

import numpy as np
import pytest

from core.statistics import bootstrap, mean_interval, paired_difference, wilson_interval

SEED = 7


def test_the_same_seed_gives_the_same_interval() -> None:
    values = [0.0, 1.0, 1.0, 0.0, 1.0]

    assert mean_interval(values, seed=SEED) == mean_interval(values, seed=SEED)
    assert mean_interval(values, seed=SEED).value == pytest.approx(0.6)


def test_an_interval_holds_the_value_and_narrows_with_more_cases() -> None:
    few, many = (mean_interval([0.0, 1.0] * n, seed=SEED) for n in (5, 200))

    assert few.low <= few.value <= few.high
    assert many.high - many.low < few.high - few.low


def test_one_case_alone_is_its_own_interval() -> None:
    found = mean_interval([1.0], seed=SEED)

    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_rows_of_one_group_are_drawn_together() -> None:
    values = np.array([0.0] * 50 + [1.0] * 50)
    alike = ["a"] * 50 + ["b"] * 50
    apart = [str(number) for number in range(100)]

    by_group, by_row = (
        bootstrap(lambda rows: float(values[rows].mean()), groups, seed=SEED, num_resamples=200)
        for groups in (alike, apart)
    )

    assert by_group.value == by_row.value == 0.5
    assert (by_group.low, by_group.high) == (0.0, 1.0)
    assert by_row.low > 0.3


def test_equal_runs_differ_by_nothing() -> None:
    found = paired_difference([1.0, 0.0, 1.0], [1.0, 0.0, 1.0], seed=SEED)

    assert (found.value, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)
    assert not found.is_loss


def test_a_steady_loss_is_told_and_a_noisy_one_is_not() -> None:
    before = [1.0] * 40
    steady = paired_difference([0.0] * 20 + [1.0] * 20, before, seed=SEED)
    noisy = paired_difference([0.0] + [1.0] * 39, before, seed=SEED)

    assert steady.is_loss
    assert steady.p < 0.01
    assert not noisy.is_loss
    assert noisy.p > 0.05


def test_pairs_tell_what_means_alone_do_not() -> None:
    """Every question a little worse: the means overlap, the pairs do not."""
    rng = np.random.default_rng(SEED)
    before = rng.random(50)
    after = before - 0.02

    assert mean_interval(after.tolist(), seed=SEED).high > before.mean()
    assert paired_difference(after.tolist(), before.tolist(), seed=SEED).is_loss


def test_a_share_of_all_or_none_is_not_certain() -> None:
    every, none = wilson_interval(10, 10), wilson_interval(0, 10)

    assert (every.value, none.value) == (1.0, 0.0)
    assert every.high == pytest.approx(1.0)
    assert none.low == pytest.approx(0.0, abs=1e-12)
    # of Wilson's formula, by hand
    assert every.low == pytest.approx(0.7225, abs=1e-4)
    assert none.high == pytest.approx(1 - every.low)
    assert wilson_interval(500, 1000).low == pytest.approx(0.4691, abs=1e-4)
