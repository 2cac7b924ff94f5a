"""The language is named when it is clear, and only then."""

import pytest

from ingestion.language import detect_language


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("El perro corre por el parque y los niños juegan con la pelota hasta la noche.", "es"),
        ("The dog runs through the park and the children play with the ball until night.", "en"),
        ("1 2 3 4 5 6 7 8 9", None),
        ("", None),
        ("ok", None),
    ],
)
def test_language_of_a_text(text: str, expected: str | None) -> None:
    assert detect_language(text) == expected
