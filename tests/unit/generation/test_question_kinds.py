"""What a question asks for, and whether a text holds it; opposites, by pair and by prefix."""

import pytest

from generation.opposites import count_opposed
from generation.question_kinds import asked_kinds, holds_kind


@pytest.mark.parametrize(
    ("question", "kinds"),
    [
        ("When does it open?", ["time"]),
        ("¿En qué año nació?", ["time"]),
        ("How many people came?", ["amount"]),
        ("¿Cuánto cuesta?", ["amount"]),
        ("Who was there?", ["person"]),
        ("¿Quiénes estaban?", ["person"]),
        ("¿Dónde está?", ["place"]),
        ("When and where was it?", ["time", "place"]),
        ("Why is it so?", []),
        ("", []),
    ],
)
def test_the_words_of_a_question_tell_what_it_asks_for(question: str, kinds: list[str]) -> None:
    assert list(asked_kinds(question)) == kinds


@pytest.mark.parametrize(
    ("kind", "text", "question", "expected"),
    [
        ("time", "It opened in 1932.", "When?", True),
        ("time", "Abre el lunes.", "¿Cuándo?", True),
        ("time", "It opened late.", "When?", False),
        ("amount", "Twelve people came.", "How many?", True),
        ("amount", "The 12 of us came.", "How many of the 12?", False),
        ("person", "It was opened by Ana Gil.", "Who?", True),
        ("person", "It was Ana Gil.", "Who was with Ana Gil?", False),
        ("person", "It was opened by the mayor.", "Who?", False),
        ("place", "It lies in Madrid.", "Where?", True),
    ],
)
def test_a_text_holds_a_kind_where_it_says_more_than_the_question(
    kind: str, text: str, question: str, expected: object
) -> None:
    assert holds_kind(kind, text, question) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("question", "text", "expected"),
    [
        ("the newest bridge", "the oldest bridge", 1),
        ("la primera vez", "la última vez", 0),
        ("el primero", "el último", 1),
        ("menos caro", "más caro", 1),
        ("it was legal", "it was illegal", 1),
        ("son dependientes", "son independientes", 1),
        ("son independientes", "son dependientes", 1),
        ("more and less", "more and less", 0),
        ("the bridge", "the bridge", 0),
    ],
)
def test_opposites_are_counted(question: str, text: str, expected: int) -> None:
    assert count_opposed(question, text) == expected
