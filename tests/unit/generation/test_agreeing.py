"""Of several replies the one is taken that the others bear out, and that fits the question."""

import math
from typing import Final

import pytest

from generation.agreeing import choose_reply, count_replies, find_likeliest, join_opinions
from generation.evidence import Evidence
from generation.types import Draft
from tests.unit.generation.passages import make_passage

RIVER: Final = (
    "Between Bingen and Bonn the Middle Rhine flows through the Rhine Gorge. "
    "It was made by Johann Tulla and took 12 years."
)


def written(*texts: str) -> list[Draft]:
    """Replies, each as likely as it is long."""
    return [Draft(text, 1, log_likelihood=float(len(text)) - 99) for text in texts]


def choose(question: str, replies: list[Draft], evidence: list[Evidence]) -> str:
    return choose_reply(question, count_replies(replies), evidence)


def evidence_of(text: str, *similarities: float) -> list[Evidence]:
    """The sentences of a passage, as near to the question as is said, in their order."""
    passage = make_passage(text)
    sentences = [f"{part}." for part in text.rstrip(".").split(". ")]
    starts = [text.index(sentence) for sentence in sentences]
    return [
        Evidence(passage, start, start + len(sentence), sentence, similarity)
        for start, sentence, similarity in zip(starts, sentences, similarities, strict=True)
    ]


def test_replies_that_share_words_outweigh_one_that_was_written_more_often() -> None:
    gorges = ("the Rhine Gorge", "Rhine Gorge", "through the Rhine Gorge")
    replies = written("Bingen", "Bingen", *gorges)

    chosen = choose("Which part is narrow?", replies, evidence_of(RIVER, 0.8, 0.8))

    assert chosen == "the Rhine Gorge"


def test_a_reply_that_repeats_the_question_gives_way() -> None:
    river, gorge = "the Middle Rhine", "the Rhine Gorge"
    replies = written(*[river] * 5, gorge)
    evidence = evidence_of(RIVER, 0.8, 0.8)

    assert choose("Where does the Middle Rhine flow?", replies, evidence) == gorge
    assert choose("Which stretch is meant?", replies, evidence) == river


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("How long did the work take?", "12 years"),
        ("¿Cuántos años duró la obra?", "12 years"),
        ("Who made it?", "Johann Tulla"),
        ("What was it like?", "work"),
    ],
)
def test_a_reply_of_another_kind_than_was_asked_for_gives_way(question: str, wanted: str) -> None:
    replies = written("work", "work", "12 years", "Johann Tulla")
    (evidence,) = evidence_of("The work of Johann Tulla took 12 years.", 0.8)

    assert choose(question, replies, [evidence]) == wanted


def test_a_reply_from_a_sentence_that_answers_better_is_preferred() -> None:
    replies = written("Johann Tulla", "Johann Tulla", "Bingen")

    assert choose("Tell a name", replies, evidence_of(RIVER, 0.8, 0.8)) == "Johann Tulla"
    assert choose("Tell a name", replies, evidence_of(RIVER, 0.9, 0.7)) == "Bingen"


@pytest.mark.parametrize("evidence", [[], evidence_of(RIVER, 0.8, 0.8)])
def test_what_was_said_once_is_taken_and_nothing_where_nothing_was(
    evidence: list[Evidence],
) -> None:
    assert choose("Where?", written("of"), evidence) == "of"
    assert choose("Where?", [], evidence) == ""


def test_the_likeliest_is_what_was_written_most_often() -> None:
    assert find_likeliest(written("abc", "ab", "a", "ab", "a")) == "ab"
    untold = [Draft("a", 1, log_likelihood=None), Draft("b", 1, log_likelihood=-9.0)]
    assert find_likeliest(untold) == "b"
    assert find_likeliest([]) == ""


def test_words_that_carry_no_meaning_are_compared_too() -> None:
    replies = written("and", "of the", "of the")
    assert choose("Which?", replies, evidence_of(RIVER, 0.8, 0.8)) == "of the"


def test_two_opinions_count_together() -> None:
    pointed = {"Bonn": 0.6, "Johann Tulla": 0.3, "12 years": 0.1}
    joined = join_opinions(pointed, [-9.0, -1.0, -9.0])

    assert max(joined, key=joined.__getitem__) == "Johann Tulla"
    assert joined["Bonn"] / joined["Johann Tulla"] == pytest.approx(2 * math.exp(-0.7 * 8))
    assert join_opinions({}, []) == {}


def test_what_was_not_written_does_not_count() -> None:
    assert count_replies(written("Bonn", "", "Bonn")) == {"Bonn": 2.0}
