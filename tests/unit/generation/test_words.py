"""Words as they are compared: accents, case and endings do not matter, numbers do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.words import bigrams, content_stems, fold, numbers, stems
from tests.unit.generation.passages import odd_texts


@given(st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CAMIÓN", "camion"),
        ("cami\u00f3n", "camio\u0301n"),
        ("pingüino", "pinguino"),
        ("STRASSE", "straße"),
        ("oﬃce", "office"),
        ("İstanbul", "istanbul"),
    ],
)
def test_accents_case_and_ligatures_do_not_matter(one: str, other: str) -> None:
    assert stems(one) == stems(other)


@pytest.mark.parametrize(
    ("one", "other"), [("interceptions", "intercepted"), ("ganadores", "ganador")]
)
def test_endings_do_not_matter(one: str, other: str) -> None:
    assert stems(one) == stems(other)


def test_words_that_only_build_a_sentence_are_no_content() -> None:
    assert content_stems("¿Cómo es que no está? How is it that it is not?") == []


def test_content_comes_in_the_order_of_the_text() -> None:
    assert content_stems("The red house, the old door") == ["red", "house", "old", "door"]
    assert bigrams(["red", "house", "old"]) == [("red", "house"), ("house", "old")]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.000", "1,000"),
        ("1.000", "1000"),
        ("1.234.567", "1,234,567"),
        ("1.234,56", "1,234.56"),
        ("1234,56", "1,234.56"),
        ("3,14", "3.14"),
        ("0,125", "0.125"),
        ("12.500 €", "€12,500"),
    ],
)
def test_a_number_is_the_same_in_spanish_and_english(one: str, other: str) -> None:
    assert numbers(one) == numbers(other)
    assert len(numbers(one)) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.5", "15"),
        ("3,14", "314"),
        ("0.125", "125"),
        ("1.000,5", "10005"),
        ("10.12.2024", "10122024"),
        ("3.10", "3.1"),
        ("1990", "1991"),
        ("100", "1000"),
    ],
)
def test_different_numbers_stay_different(one: str, other: str) -> None:
    assert numbers(one).isdisjoint(numbers(other))


def test_a_stop_or_comma_after_a_number_is_no_part_of_it() -> None:
    assert numbers("In 1990, or 1991.") == {"1990", "1991"}


def test_a_long_number_is_not_cut_to_a_stem() -> None:
    assert numbers("12345678") != numbers("12345679")


@given(odd_texts())
def test_numbers_and_content_are_among_the_stems(text: str) -> None:
    every = stems(text)

    assert numbers(text) <= set(every)
    assert set(content_stems(text)) <= set(every)
    assert all(every)
