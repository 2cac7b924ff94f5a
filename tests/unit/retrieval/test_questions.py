"""Questions that ask several things: their parts; and that others are left whole."""

import pytest

from core.access import Access
from core.ids import ChunkId
from retrieval.fusion import take_turns
from retrieval.questions import split_question
from retrieval.types import Hit, Refining
from tests.library import Library


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        (
            "Who wrote Dracula and when was it filmed?",
            ("Who wrote Dracula", "when was it filmed?"),
        ),
        (
            "¿Quién escribió el libro y cuándo se publicó la película?",
            ("Quién escribió el libro", "cuándo se publicó la película?"),
        ),
        (
            "How many days of leave are there? Who approves them?",
            ("How many days of leave are there?", "Who approves them?"),
        ),
        (
            "¿Cuánto cuesta la entrada y también qué días abre?",
            ("Cuánto cuesta la entrada", "qué días abre?"),
        ),
        (
            "Where do I apply; how long does it take?",
            ("Where do I apply", "how long does it take?"),
        ),
        (
            "Which singer is American, Mark King or Nick Hexum?",
            ("Which singer is American, Mark King?", "Which singer is American, Nick Hexum?"),
        ),
        (
            "¿Qué financiaron Lane y Vail?",
            ("Qué financiaron Lane?", "Qué financiaron Vail?"),
        ),
        (
            "Which plant is larger, the Pterocarya or the Cotula?",
            ("Which plant is larger, the Pterocarya?", "Which plant is larger, the Cotula?"),
        ),
    ],
)
def test_the_parts_of_a_question(question: str, parts: tuple[str, ...]) -> None:
    assert split_question(question) == parts


@pytest.mark.parametrize(
    "question",
    [
        "",
        "?",
        "? ? ?",
        "What is a dog?",
        "Who wrote it and when?",
        "salt and pepper",
        "¿Qué empresa que vive de la pesca y que exporta paga menos?",
        "leave policy",
        "a" * 4000,
    ],
)
def test_a_question_that_asks_one_thing_has_no_parts(question: str) -> None:
    assert split_question(question) == ()


def test_a_long_list_has_four_parts() -> None:
    assert len(split_question("What is the fee? " * 9)) == 4


def test_what_only_a_part_finds_is_found(library: Library) -> None:
    texts = [f"fee office counter hall {number}" for number in range(6)]
    library.publish(library.default_collection(), "a.txt", [*texts, "dogs swim"])
    question = "Where is the fee office counter hall? When do dogs swim?"

    whole, split = (
        library.retriever().retrieve(
            question, access=Access.to_everything(), top_k=3, refining=Refining(split=split)
        )
        for split in (False, True)
    )

    assert "dogs swim" not in [each.text for each in whole]
    assert "dogs swim" in [each.text for each in split]


def test_what_the_parts_find_takes_turns_and_counts_once_by_its_best_score() -> None:
    whole = [Hit(ChunkId(1), 0.9), Hit(ChunkId(2), 0.8), Hit(ChunkId(3), 0.7)]
    part = [Hit(ChunkId(4), 0.2), Hit(ChunkId(3), 0.75)]

    found = take_turns([whole, part], top_k=3)

    assert [(hit.chunk_id, hit.score) for hit in found] == [(1, 0.9), (4, 0.2), (2, 0.8)]
    assert take_turns([whole, part], top_k=4)[-1].score == 0.75
    assert take_turns([whole], top_k=9) == whole
