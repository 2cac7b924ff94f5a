"""Words are found as a text spells them, and never inside other words."""

import pytest

from generation.spans import find_span, without_marks


@pytest.mark.parametrize(
    ("words", "text", "found"),
    [
        ("the red barn", "It was The Red Barn that burnt.", "The Red Barn"),
        ("MUSEO NAVAL", "El Museo  Naval\nabre hoy.", "Museo Naval"),
        ("leon", "Nació en León.", "León"),
        ("León", "Nació en Leon.", "Leon"),
        ("1910.", "Opened in 1910, closed in 1950.", "1910"),
        ("ﬁne", "a fine day", "fine"),
        ("art", "It was a party.", None),
        ("10", "In 1910.", None),
        ("...", "Nothing here.", None),
        ("  ", "Nothing here.", None),
        ("$5.3 (net)", "It cost $5.3 (net) then.", "$5.3 (net"),
    ],
)
def test_a_span_is_what_the_text_says(words: str, text: str, found: str | None) -> None:
    assert find_span(words, text) == found


def test_marks_of_citations_are_no_words() -> None:
    assert without_marks("It burnt [1]. It stands [12].") == "It burnt. It stands."
