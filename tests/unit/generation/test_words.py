"""Words as they are compared: accents, case and endings do not matter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.words import bigrams, content_stems, fold, stems
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


@given(odd_texts())
def test_content_is_among_the_stems(text: str) -> None:
    every = stems(text)

    assert set(content_stems(text)) <= set(every)
    assert all(every)
