"""A text ends at its first stop string, and no piece of one is ever shown."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.stopping import StopStringError, StopStrings

STOPS = st.lists(st.text("ab", min_size=1, max_size=4), max_size=4)
PIECES = st.lists(st.text("abc", max_size=5), max_size=12)


def read_naively(stops: list[str], text: str) -> str:
    """What should be shown of `text`, by looking at every place in turn."""
    for end in range(len(text) + 1):
        ended = [stop for stop in stops if text[:end].endswith(stop)]
        if ended:
            return text[: end - len(max(ended, key=len))]
    return text


@given(STOPS, PIECES)
def test_all_that_is_shown_is_the_text_before_the_first_stop(
    stops: list[str], pieces: list[str]
) -> None:
    stopping = StopStrings(stops)
    shown = "".join([stopping.push(piece) for piece in pieces]) + stopping.flush()

    assert shown == read_naively(stops, "".join(pieces))
    assert stopping.is_stopped == any(stop in "".join(pieces) for stop in stops)


@given(STOPS, PIECES)
def test_only_what_may_become_a_stop_is_held_back(stops: list[str], pieces: list[str]) -> None:
    stopping = StopStrings(stops)
    shown = read = ""
    for piece in pieces:
        shown += stopping.push(piece)
        read += piece
        if stopping.is_stopped:
            break
        beginnings = {stop[:size] for stop in stops for size in range(len(stop))}
        longest = max((len(each) for each in beginnings if read.endswith(each)), default=0)
        assert shown == read[: len(read) - longest]


def test_a_stop_string_may_span_pieces() -> None:
    stopping = StopStrings(["\n\nQuestion:"])

    assert stopping.push("Granada.\n") == "Granada."
    assert stopping.push("\nQues") == ""
    assert stopping.push("tion: and") == ""
    assert stopping.is_stopped
    assert stopping.stopped_by == "\n\nQuestion:"
    assert stopping.flush() == ""


def test_what_only_began_like_a_stop_is_shown_after_all() -> None:
    stopping = StopStrings(["END"])

    assert stopping.push("the E") == "the "
    assert stopping.push("Nd") == "ENd"
    assert stopping.push("EN") == ""
    assert stopping.flush() == "EN"
    assert not stopping.is_stopped


def test_nothing_comes_after_a_stop() -> None:
    stopping = StopStrings(["."])
    assert stopping.push("One. Two") == "One"

    assert stopping.push(" Three") == ""
    assert stopping.flush() == ""


def test_of_two_stops_that_end_together_the_longer_is_taken() -> None:
    stopping = StopStrings(["b", "ab"])

    assert stopping.push("xab") == "x"
    assert stopping.stopped_by == "ab"


def test_characters_of_several_bytes_are_characters() -> None:
    stopping = StopStrings(["ñandú 🦤"])

    assert stopping.push("un ñand") == "un "
    assert stopping.push("ú 🦤!") == ""
    assert stopping.is_stopped


def test_without_stop_strings_text_passes_as_it_is() -> None:
    stopping = StopStrings([])

    assert stopping.push("text") == "text"
    assert stopping.flush() == ""
    assert not stopping.is_stopped


@pytest.mark.parametrize(
    ("stops", "fact"),
    [(["x" * 10_000], "10000"), ([""], "1 to 1000"), (["a"] * 17, "at most 16")],
)
def test_unreasonable_stop_strings_are_refused(stops: list[str], fact: str) -> None:
    with pytest.raises(StopStringError, match=fact):
        StopStrings(stops)


def test_a_text_that_nearly_stops_at_every_turn_takes_no_longer() -> None:
    stopping = StopStrings(["a" * 999 + "b"] * 4)
    start = time.thread_time()
    shown = "".join([stopping.push("a") for _ in range(20_000)])

    assert time.thread_time() - start < 2
    assert len(shown) == 20_000 - 999
