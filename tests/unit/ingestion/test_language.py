"""The language is named when it is clear, and only then."""

import pytest

from ingestion.language import detect_language, detect_passage_language


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


SPANISH = (
    "El perro corre por el parque y los niños juegan con la pelota hasta que cae la noche. Después "
    "vuelven a casa, cenan con sus padres y cuentan todo lo que han visto a lo largo del día."
)


@pytest.mark.parametrize(
    ("text", "document", "expected"),
    [
        (SPANISH, "en", "es"),
        (SPANISH[:40], "en", "en"),
        ("1 2 3 " * 200, "en", "en"),
        (SPANISH, None, "es"),
        ("ok", None, None),
    ],
)
def test_a_passage_has_its_own_language_only_where_it_is_long_enough(
    text: str, document: str | None, expected: str | None
) -> None:
    assert detect_passage_language(text, document=document) == expected
