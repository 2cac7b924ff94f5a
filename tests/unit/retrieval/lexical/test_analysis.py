"""Which words meet."""

import pytest

from retrieval.lexical.analysis import EXACT, query_terms


@pytest.mark.parametrize(
    ("field", "left", "right"),
    [
        ("en", "intercepting passes", "interceptions passed"),
        ("es", "la canción", "las canciones"),
        ("es", "administración", "ADMINISTRACIONES"),
        ("en", "naïve", "naive"),
        ("es", "niños", "nino"),
        (EXACT, "Form X-200/b", "form x-200/B"),
    ],
)
def test_words_that_a_person_takes_for_the_same_meet(field: str, left: str, right: str) -> None:
    ours, theirs = query_terms(left).by_field[field], query_terms(right).by_field[field]

    assert ours
    assert set(ours) & set(theirs)


def test_accents_typed_apart_are_those_typed_together() -> None:
    assert query_terms("cafe\u0301") == query_terms("café")


def test_codes_are_kept_whole_beside_their_parts() -> None:
    terms = query_terms("ISO-9001/b").by_field

    assert terms[EXACT] == ("iso-9001/b",)
    assert terms["en"] == ("iso", "9001", "b")


def test_words_of_the_grammar_count_only_where_nothing_else_is_there() -> None:
    assert query_terms("the pool and the towel").by_field[EXACT] == ("pool", "towel")
    assert query_terms("to be or not to be").by_field["en"] == ("to", "be", "or", "not")


@pytest.mark.parametrize("text", ["", "   ", "\x00\x07", "?!¿¡ -- ...", "\u200b"])
def test_text_without_words_has_no_terms(text: str) -> None:
    assert query_terms(text).is_empty


def test_each_term_is_looked_for_once() -> None:
    assert query_terms("pool pool POOL pools").by_field["en"] == ("pool",)
