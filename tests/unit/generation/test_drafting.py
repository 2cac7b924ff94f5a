"""Drafts: only checked sentences are shown, whole, and the same however the text arrives."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.drafting import draft_checked, ends_whole, is_worth_showing
from generation.evidence import find_sentences
from generation.sentences import split_sentences
from tests.unit.generation.passages import make_passage, odd_texts

SPANS = find_sentences(
    [make_passage("The museum opens at nine in the morning. Tickets cost 12.50 euros per adult.")]
)


def _accept(_sentence: str) -> bool:
    return True


def _is_short(sentence: str) -> bool:
    return len(sentence) < 20


@st.composite
def pieces_of(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A text, and the same text cut into pieces at any character; pieces may be empty."""
    text = draw(odd_texts())
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=12)))
    bounds = zip([0, *cuts], [*cuts, len(text)], strict=True)
    return text, [text[start:end] for start, end in bounds]


@given(pieces_of())
def test_however_the_text_is_cut_the_result_is_the_same(drawn: tuple[str, list[str]]) -> None:
    text, pieces = drawn

    shown = "".join(draft_checked(pieces, _is_short))

    assert shown == "".join(draft_checked([text], _is_short))
    assert shown == "".join(draft_checked(list(text), _is_short))


@given(pieces_of())
def test_what_is_judged_are_the_sentences_of_the_text(drawn: tuple[str, list[str]]) -> None:
    text, pieces = drawn
    judged: list[str] = []

    list(draft_checked(pieces, lambda sentence: judged.append(sentence) or True))  # type: ignore[func-returns-value]

    assert judged == [text[start:end] for start, end in split_sentences(text, wrapped=False)]


@given(pieces_of())
def test_a_text_of_good_sentences_passes_whole(drawn: tuple[str, list[str]]) -> None:
    text, pieces = drawn

    assert "".join(draft_checked(pieces, _accept)) == text.strip()


@given(pieces_of())
def test_what_is_shown_ends_before_the_first_bad_sentence(drawn: tuple[str, list[str]]) -> None:
    text, pieces = drawn
    sentences = [text[start:end] for start, end in split_sentences(text, wrapped=False)]
    num_good = next((n for n, item in enumerate(sentences) if not _is_short(item)), len(sentences))

    shown = list(draft_checked(pieces, _is_short))

    assert [piece.strip() for piece in shown] == sentences[:num_good]
    assert text.strip().startswith("".join(shown))


def test_a_good_sentence_after_a_bad_one_is_dropped() -> None:
    text = "Short one. This sentence is much too long to show. Short two."

    assert list(draft_checked([text], _is_short)) == ["Short one."]


@pytest.mark.parametrize(
    ("text", "dropped", "marked"),
    [
        ("Good. This one is far too long to show. Fine.", "Good. Fine.", None),
        ("This one is far too long to show. Good.", "Good.", None),
        ("Good. This one is far too long to show.", "Good.", None),
        ("This one is far too long to show. So is this one, at least as long.", "", ""),
    ],
)
def test_bad_sentences_are_left_out_or_shown_beside_good_ones(
    text: str, dropped: str, marked: str | None
) -> None:
    for pieces in ([text], list(text)):
        assert "".join(draft_checked(pieces, _is_short, unsupported="drop")) == dropped
        shown = "".join(draft_checked(pieces, _is_short, unsupported="mark"))
        assert shown == (text if marked is None else marked)


@given(pieces_of())
def test_of_a_text_that_was_cut_only_whole_sentences_are_shown(
    drawn: tuple[str, list[str]],
) -> None:
    text, pieces = drawn
    sentences = [text[start:end] for start, end in split_sentences(text, wrapped=False)]

    shown = list(draft_checked(pieces, _accept, is_cut=lambda: True))

    num_whole = len(sentences) if ends_whole(text) else max(0, len(sentences) - 1)
    assert [piece.strip() for piece in shown] == sentences[:num_whole]


def test_nothing_is_read_after_the_first_bad_sentence() -> None:
    read: list[str] = []

    def pieces() -> Iterator[str]:
        for piece in ("Good. ", "A bad sentence, far too long. ", "Next", " and more. ", "End."):
            read.append(piece)
            yield piece

    assert list(draft_checked(pieces(), _is_short)) == ["Good."]
    assert read[-1] == "Next"


def test_a_sentence_is_shown_as_soon_as_the_next_one_begins() -> None:
    arrived: list[str] = []

    def pieces() -> Iterator[str]:
        for piece in ("One.", " ", "T", "wo."):
            arrived.append(piece)
            yield piece

    shown = draft_checked(pieces(), _accept)

    assert next(shown) == "One."
    assert arrived == ["One.", " ", "T"]
    assert list(shown) == [" Two."]


@pytest.mark.parametrize("empty", [[], [""], [" ", "\n"], ["", " \t"]])
def test_a_draft_without_text_shows_nothing(empty: list[str]) -> None:
    assert list(draft_checked(empty, _accept)) == []


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("The museum opens at nine in the morning.", True),
        ("It opens at nine.", True),
        ("Tickets cost 12,50 euros.", True),
        ("Tickets cost 1250 euros.", False),
        ("Tickets cost 13.50 euros.", False),
        ("The museum opens at ten in the evening.", False),
        ("The museum has many rooms.", False),
        ("It is.", False),
        ("", False),
    ],
)
def test_only_what_the_spans_hold_is_worth_showing(sentence: str, expected: object) -> None:
    assert is_worth_showing(sentence, "When?", SPANS) == expected


def test_repeating_the_question_is_not_worth_showing() -> None:
    question = "At what time in the morning is it that the museum opens?"

    assert not is_worth_showing("The museum opens in the morning.", question, SPANS)
    assert is_worth_showing("The museum opens at nine in the morning.", question, SPANS)
