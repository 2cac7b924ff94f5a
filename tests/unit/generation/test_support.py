"""Support: 1 for what a span says, 0 for saying nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.support import lexical_support
from generation.words import content_stems
from tests.unit.generation.passages import odd_texts

SPAN = "The bridge was opened in 1932 by the mayor and cost 1.5 million pounds."


@given(odd_texts())
def test_a_text_supports_itself_wholly_if_it_says_anything(text: str) -> None:
    assert lexical_support(text, text) == (1.0 if content_stems(text) else 0.0)


@given(odd_texts(), odd_texts())
def test_support_is_a_share(sentence: str, span: str) -> None:
    assert 0.0 <= lexical_support(sentence, span) <= 1.0


@given(st.permutations(SPAN.split()))
def test_the_same_words_in_another_order_are_never_more_than_the_span_itself(
    words: list[str],
) -> None:
    support = lexical_support(" ".join(words), SPAN)

    assert 2 / 3 - 1e-9 <= support <= 1.0


def test_words_in_another_order_are_supported_less() -> None:
    assert lexical_support("The mayor opened the bridge", SPAN) < lexical_support(
        "The bridge was opened by the mayor", SPAN
    )


def test_a_sentence_out_of_the_span_is_supported_wholly() -> None:
    assert lexical_support("The bridge was opened in 1932", SPAN) == 1.0


@pytest.mark.parametrize("amount", ["1.5", "1,5"])
def test_a_number_may_be_spelt_as_in_the_other_language(amount: str) -> None:
    assert lexical_support(f"It cost {amount} million pounds", SPAN) == 1.0


@pytest.mark.parametrize("empty", ["", " \n", ".", "It is.", "¿Qué es lo que no?", "—", "😀"])
def test_a_sentence_that_says_nothing_has_no_support(empty: str) -> None:
    assert lexical_support(empty, SPAN) == 0.0
    assert lexical_support(empty, empty) == 0.0


@pytest.mark.parametrize("empty", ["", "It was the.", "😀"])
def test_a_span_that_says_nothing_gives_no_support(empty: str) -> None:
    assert lexical_support("The bridge was opened by the mayor", empty) == 0.0


def test_every_foreign_word_costs_support() -> None:
    whole = lexical_support("The bridge cost pounds", SPAN)
    one_foreign = lexical_support("The bridge cost pounds yesterday", SPAN)
    two_foreign = lexical_support("The wooden bridge cost pounds yesterday", SPAN)

    assert 0 < two_foreign < one_foreign < whole


def test_accents_do_not_cost_support() -> None:
    assert lexical_support("EL CAMION LLEGO", "El camión llegó tarde.") == 1.0
