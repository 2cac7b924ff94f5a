"""Confidence grows with what speaks for an answer, and falls with what a near miss lacks."""

import math
from dataclasses import replace

import pytest
from hypothesis import given

from core.types import Passage
from generation.confidence import BUILT_IN, Weights
from generation.evidence import Evidence, find_sentences
from generation.question_fit import QuestionFit, fit_question
from tests.unit.generation.passages import make_passage, odd_texts

QUESTION = "How long is the old bridge over the river?"
TEXT = "The old bridge over the river is ninety metres long and was opened by Ana Gil in 1932."
PASSAGE = make_passage(TEXT)
FOUND = find_sentences([PASSAGE])[0]
REST = replace(FOUND, similarity=0.77, coverage=0.0)


def _seen(similarity: float, coverage: float = 0.9) -> list[Evidence]:
    return [replace(FOUND, similarity=similarity, coverage=coverage), *[REST] * 9]


def _passages(dense: float) -> list[Passage]:
    return [replace(PASSAGE, scores={"dense": dense, "lexical": 0.5})]


def _confidence(question: str, similarity: float = 0.9, dense: float = 0.9) -> float:
    return BUILT_IN.confidence(question, _passages(dense), _seen(similarity))


def test_nothing_found_is_no_confidence() -> None:
    assert BUILT_IN.confidence(QUESTION, [PASSAGE], []) == 0.0


def test_confidence_is_a_probability_that_grows_with_similarity() -> None:
    weak, near, sure = (_confidence(QUESTION, value, value) for value in (0.76, 0.86, 0.94))

    assert 0 < weak < 0.25 < near < sure < 1


@pytest.mark.parametrize(
    "near_miss",
    [
        "How long is the old bridge over the river Ebro of 1815?",
        "How long is the new bridge not over the river?",
        "Who never opened the old bridge over the river?",
    ],
)
def test_what_the_text_does_not_say_lowers_confidence(near_miss: str) -> None:
    assert _confidence(near_miss) < _confidence(QUESTION)


def test_words_that_cannot_match_across_languages_are_missed_less() -> None:
    spanish = "¿Cuánto mide el puente viejo sobre el río?"

    across, within = (BUILT_IN.across, BUILT_IN.within["es"])
    fit = fit_question(spanish, _passages(0.9), _seen(0.9, 0.0))

    assert across.chance(fit) > within.chance(fit)
    assert BUILT_IN.confidence(spanish, _passages(0.9), _seen(0.9, 0.0)) == across.chance(fit)


@pytest.mark.parametrize(
    ("question", "field", "expected"),
    [
        (QUESTION, "names", 0.0),
        ("Was it Ana Gil?", "names", 0.0),
        ("Was it Ana Ruiz or Eva Sol?", "names", 2.0),
        ("Was it opened in 1932?", "numbers", 0.0),
        ("Was it opened in 1933?", "numbers", 1.0),
        ("Is it not old?", "denied", 1.0),
        ("Is it old?", "denied", 0.0),
        ("Is the new bridge long?", "opposed", 0.0),
        ("How many metres long?", "kind_held", 1.0),
        ("When was it opened?", "kind_missing", 0.0),
        ("Who opened it?", "kind_held", 1.0),
        ("What is it?", "kind_held", 0.0),
    ],
)
def test_each_sign_is_told_by_itself(question: str, field: str, expected: float) -> None:
    fit = fit_question(question, _passages(0.9), _seen(0.9))

    assert getattr(fit, field) == expected


def test_an_opposite_is_told() -> None:
    passage = make_passage("The oldest bridge is the longest.")
    (found,) = find_sentences([passage])

    fit = fit_question("Which is the newest bridge?", [passage], [found])

    assert fit.opposed == 1.0


def test_lead_is_over_the_tenth_sentence() -> None:
    assert fit_question(QUESTION, [PASSAGE], _seen(0.90)).lead == pytest.approx(0.13)
    assert fit_question(QUESTION, [PASSAGE], _seen(0.78)).lead == pytest.approx(0.01)


def test_a_small_library_is_not_blamed_for_what_it_does_not_hold() -> None:
    alone = fit_question(QUESTION, _passages(0.9), _seen(0.90)[:1])
    many = fit_question(QUESTION, _passages(0.9) * 8, _seen(0.90))

    assert alone.lead > 0.05
    assert alone.spread > many.spread == 0.0


def test_passages_beyond_the_eighth_change_nothing() -> None:
    few, many = ([PASSAGE] * number for number in (8, 40))

    assert fit_question(QUESTION, few, _seen(0.9)) == fit_question(QUESTION, many, _seen(0.9))


def test_a_field_without_a_weight_counts_nothing_and_nothing_overflows() -> None:
    fit = fit_question(QUESTION, [PASSAGE], _seen(0.9))

    assert Weights(0.0, {}).chance(fit) == 0.5
    assert Weights(1e6, {"similarity": 1.0}).chance(fit) == pytest.approx(1.0)
    assert Weights(-1e6, {}).chance(fit) == pytest.approx(0.0)


def test_every_built_in_weight_has_a_field() -> None:
    names = set(QuestionFit.names_of_fields())

    for weights in (*BUILT_IN.within.values(), BUILT_IN.across):
        assert set(weights.by_field) == names


@given(odd_texts(), odd_texts())
def test_any_question_has_a_finite_fit(question: str, text: str) -> None:
    passage = make_passage(text)
    found = find_sentences([passage])
    if found:
        assert all(map(math.isfinite, fit_question(question, [passage], found).values))
