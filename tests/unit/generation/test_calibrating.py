"""Calibration finds what tells right from wrong, keeps groups apart, and draws the risk."""

from dataclasses import replace

import numpy as np
import pytest

from generation.calibrating import (
    Case,
    cross_validate,
    cross_validate_reading,
    fit_reading,
    fit_weights,
    risk_coverage,
)
from generation.confidence import Reading
from generation.evidence import find_sentences
from generation.question_fit import fit_question
from tests.unit.generation.passages import make_passage

PASSAGE = make_passage("The old bridge over the river is ninety metres long.")
FIT = fit_question("How long is it?", [PASSAGE], find_sentences([PASSAGE]))


def _cases(number: int, *, noise: float = 0.0) -> list[Case]:
    rng = np.random.default_rng(3)
    cases = []
    for index in range(number):
        similarity = float(rng.random())
        is_right = similarity + noise * float(rng.normal()) > 0.5
        fit = replace(FIT, similarity=similarity, dense=float(rng.random()))
        cases.append(Case(fit, is_right, f"group {index % 10}"))
    return cases


def test_weights_tell_what_matters_from_what_does_not() -> None:
    weights = fit_weights(_cases(300, noise=0.1))

    assert weights.by_field["similarity"] > 5 * abs(weights.by_field["dense"])
    assert weights.by_field["denied"] == pytest.approx(0.0)
    low, high = (weights.chance(replace(FIT, similarity=value)) for value in (0.2, 0.8))
    assert low < 0.2 < 0.8 < high


def test_a_case_counts_as_so_many_as_it_weighs() -> None:
    cases = _cases(60, noise=0.2)
    weighed = [replace(case, weight=3.0) for case in cases[:20]]

    once = fit_weights([*weighed, *cases[20:]])
    thrice = fit_weights([*cases[:20] * 3, *cases[20:]])

    assert once.by_field == pytest.approx(thrice.by_field)
    assert once.by_field != pytest.approx(fit_weights(cases).by_field)


def test_chances_of_a_group_do_not_come_from_itself() -> None:
    cases = _cases(200)
    # in one group everything is the other way round: fitted without it, its chances stay wrong
    turned = [
        replace(case, is_right=not case.is_right) if case.group == "group 1" else case
        for case in cases
    ]

    chances = cross_validate(turned, seed=1)

    odd = np.array([case.group == "group 1" for case in turned])
    right = np.array([case.is_right for case in turned])
    assert ((chances > 0.5) == right)[~odd].mean() > 0.9
    assert ((chances > 0.5) == right)[odd].mean() < 0.1


def test_the_same_seed_gives_the_same_chances() -> None:
    cases = _cases(60, noise=0.2)

    assert np.array_equal(cross_validate(cases, seed=5), cross_validate(cases, seed=5))


def test_risk_is_the_share_of_wrong_answers_among_the_surest() -> None:
    curve = risk_coverage(np.array([0.9, 0.1, 0.5, 0.7]), np.array([True, False, True, False]))

    assert curve.coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert curve.risk.tolist() == pytest.approx([0.0, 0.5, 1 / 3, 0.5])


def test_a_better_score_has_a_smaller_area_of_risk() -> None:
    right = np.array([True] * 5 + [False] * 5)
    good, bad = np.arange(10)[::-1] / 10, np.arange(10) / 10

    assert risk_coverage(good, right).area < risk_coverage(bad, right).area


def _readings(number: int) -> tuple[list[Reading], list[bool]]:
    """What is right hangs on the refusal alone."""
    rng = np.random.default_rng(5)
    drawn = rng.random((number, 3))
    readings = [Reading(float(a), float(np.log(b)), -5 * float(c)) for a, b, c in drawn]
    return readings, [reading.refusal < np.log(0.5) for reading in readings]


def test_a_readers_doubt_weighs_as_much_as_it_tells() -> None:
    readings, right = _readings(300)
    weights = fit_reading(readings, np.array(right))

    assert weights.refusal > 5 * abs(weights.confidence)
    assert weights.chance(Reading(0.5, float(np.log(0.9)), -1.0)) < 0.2
    assert weights.chance(Reading(0.5, float(np.log(0.1)), -1.0)) > 0.8


def test_chances_of_a_groups_readings_do_not_come_from_itself() -> None:
    readings, right = _readings(200)
    groups = [f"group {index % 10}" for index in range(200)]
    odd = np.array([group == "group 1" for group in groups])

    chances = cross_validate_reading(readings, np.array(right) ^ odd, groups, seed=1)

    agree = (chances > 0.5) == np.array(right)
    assert agree[~odd].mean() > 0.9
    assert agree[odd].mean() > 0.9
