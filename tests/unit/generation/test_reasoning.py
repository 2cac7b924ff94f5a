"""Reasoning and answer are parted at the mark, wherever the pieces break."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.reasoning import read_reasoning, split_reasoning

MARK = "Answer:"


def read(pieces: Sequence[str], mark: str = MARK) -> tuple[str, str]:
    """The reasoning and the answer."""
    reading = read_reasoning(pieces, mark)
    reasoning = ""
    while True:
        try:
            reasoning += next(reading).text
        except StopIteration as end:
            return reasoning, "".join(end.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The first says nine.\nAnswer: At nine.", ("The first says nine.", "At nine.")),
        ("**Why**: it opens.\n\n**Answer:** At nine.", ("Why**: it opens.", "At nine.")),
        ("Answer: At nine.", ("", "At nine.")),
        ("  \n Answer:", ("", "")),
        ("I do not know.", ("I do not know.", "")),
        ("", ("", "")),
        (" \n", ("", "")),
        ("Answ\nAnswer: a Answer: b", ("Answ", "a Answer: b")),
        ("AnswAnswer: yes", ("Answ", "yes")),
        ("Ends in Answer", ("Ends in Answer", "")),
    ],
)
def test_reasoning_ends_at_the_first_mark(text: str, expected: tuple[str, str]) -> None:
    assert read([text]) == read(list(text)) == split_reasoning(text, MARK) == expected


def test_without_a_mark_all_of_it_is_the_answer() -> None:
    assert read(["At ", "nine. Answer: x"], mark="") == ("", "At nine. Answer: x")


_PARTS = st.sampled_from(["Answer:", "Answ", "er:", "Answer", " ", "\n", "* ", "a", "é", "#"])


@given(st.lists(_PARTS, max_size=12), st.lists(st.integers(0, 40), max_size=6))
def test_where_the_pieces_break_changes_nothing(parts: list[str], cuts: list[int]) -> None:
    text = "".join(parts)
    bounds = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[start:end] for start, end in pairwise(bounds)]

    assert read(pieces) == read([text]) == split_reasoning(text, MARK)
    reasoning, answer = read([text])
    assert MARK not in reasoning
    assert reasoning in text
    assert answer in text


def test_nothing_is_read_beyond_what_is_asked_for() -> None:
    pieces = iter(["Because. ", "Answer: ", "At nine.", "More."])
    reading = read_reasoning(pieces, MARK)

    assert next(reading).text == "Because."
    assert next(pieces) == "Answer: "
