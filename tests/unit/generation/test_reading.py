"""A refusal is told by its words, however a model spaces them."""

import pytest

from generation.reading import REFUSALS, is_refusal


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((text, True) for text in REFUSALS.values()),
        (" not in  the passages", True),
        ("NO ESTÁ EN LOS PASAJES", True),
        ("No esta en los pasajes; quizá en otros.", True),
        ("Not in the North.", False),
        ("", False),
        ("It is not in the passages.", False),
    ],
)
def test_a_refusal_is_told_by_its_words(text: str, *, expected: bool) -> None:
    assert is_refusal(text) is expected
