"""Of several replies the one is taken that the others bear out, and that fits the question."""

from typing import Final

import pytest

from generation.agreeing import choose_reply, find_likeliest
from generation.evidence import Evidence
from generation.extracting import ExtractedSpan
from generation.types import Draft
from tests.unit.generation.passages import make_passage

RIVER: Final = (
    "Between Bingen and Bonn the Middle Rhine flows through the Rhine Gorge. "
    "It was made by Johann Tulla and took 12 years."
)


def written(*texts: str) -> list[Draft]:
    """Replies, each as likely as it is long."""
    return [Draft(text, 1, log_likelihood=float(len(text)) - 99) for text in texts]


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

    chosen = choose_reply("Which part is narrow?", replies, evidence_of(RIVER, 0.8, 0.8))

    assert chosen == "the Rhine Gorge"


def test_a_reply_that_repeats_the_question_gives_way() -> None:
    river, gorge = "the Middle Rhine", "the Rhine Gorge"
    replies = written(*[river] * 5, gorge)
    evidence = evidence_of(RIVER, 0.8, 0.8)

    assert choose_reply("Where does the Middle Rhine flow?", replies, evidence) == gorge
    assert choose_reply("Which stretch is meant?", replies, evidence) == river


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

    assert choose_reply(question, replies, [evidence]) == wanted


def test_a_reply_from_a_sentence_that_answers_better_is_preferred() -> None:
    replies = written("Johann Tulla", "Johann Tulla", "Bingen")

    assert choose_reply("Tell a name", replies, evidence_of(RIVER, 0.8, 0.8)) == "Johann Tulla"
    assert choose_reply("Tell a name", replies, evidence_of(RIVER, 0.9, 0.7)) == "Bingen"


@pytest.mark.parametrize("evidence", [[], evidence_of(RIVER, 0.8, 0.8)])
def test_what_was_said_once_is_taken_and_nothing_where_nothing_was(
    evidence: list[Evidence],
) -> None:
    assert choose_reply("Where?", written("of"), evidence) == "of"
    assert choose_reply("Where?", [], evidence) == ""


def test_the_likeliest_is_what_was_written_most_often() -> None:
    assert find_likeliest(written("abc", "ab", "a", "ab", "a")) == "ab"
    untold = [Draft("a", 1, log_likelihood=None), Draft("b", 1, log_likelihood=-9.0)]
    assert find_likeliest(untold) == "b"
    assert find_likeliest([]) == ""


def test_words_that_carry_no_meaning_are_compared_too() -> None:
    replies = written("and", "of the", "of the")
    assert choose_reply("Which?", replies, evidence_of(RIVER, 0.8, 0.8)) == "of the"


def pointed_at(**chances: float) -> list[ExtractedSpan]:
    """Words with spaces for underlines, each with its chance."""
    found = {name.replace("_", " "): chance for name, chance in chances.items()}
    return [ExtractedSpan(text, 0, len(text), chance) for text, chance in found.items()]


def test_what_is_pointed_at_counts_half_however_often_was_written() -> None:
    evidence = evidence_of(RIVER, 0.8, 0.8)
    replies = written("Johann Tulla", "Bonn", "Bonn")

    assert choose_reply("Tell a name", replies, evidence) == "Bonn"
    pointed = pointed_at(Johann_Tulla=0.5, Bonn=0.2)
    assert choose_reply("Tell a name", replies, evidence, pointed) == "Johann Tulla"
    assert choose_reply("Tell a name", [], evidence, pointed) == "Johann Tulla"
    assert choose_reply("Tell a name", written(""), evidence, pointed) == "Johann Tulla"


def test_what_is_pointed_at_across_sentences_does_not_count() -> None:
    evidence = evidence_of(RIVER, 0.8, 0.8)
    across = pointed_at(**{"Rhine Gorge. It was": 0.9, "Bonn": 0.01})

    assert choose_reply("Tell a name", [], evidence, across) == "Bonn"
    assert choose_reply("Tell a name", [], evidence, across[:1]) == ""
