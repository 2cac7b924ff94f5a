"""Numbers: the same however they are spelt, in either language, and never another one."""

import pytest
from hypothesis import given

from generation.numerals import numbers
from generation.words import stems
from tests.unit.generation.passages import odd_texts


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It cost twelve euros", {"12"}),
        ("Costó doce euros", {"12"}),
        ("twenty-five or thirty", {"25", "30"}),
        ("treinta y cinco o veinticinco", {"35", "25"}),
        ("two hundred and fifty thousand", {"250000"}),
        ("doscientas cincuenta mil", {"250000"}),
        ("two and three", {"2", "3"}),
        ("1.5 million", {"1500000"}),
        ("5 mil millones", {"5000000000"}),
        ("one billion, un billón", {"1000000000", "1000000000000"}),
        ("a hundred people", {"100"}),
        ("03/05", {"3", "5"}),
        ("version 1.2.3", {"1.2.3"}),
        ("10.12.2024 five", {"10.12.2024", "5"}),
        ("version 1.2.3 two users", {"1.2.3", "2"}),
        ("1.2.3 million", {"1.2.3", "1000000"}),
        ("one of us, uno de nosotros", set()),
    ],
)
def test_words_and_factors_are_numbers_too(text: str, expected: set[str]) -> None:
    assert numbers(text) == expected


def test_millions_are_not_thousands() -> None:
    assert numbers("5 million").isdisjoint(numbers("5 thousand"))


@given(odd_texts())
def test_any_text_can_be_read(text: str) -> None:
    found = numbers(text)

    assert all(found)
    assert bool(found) >= any(stem[0].isdigit() for stem in stems(text))
