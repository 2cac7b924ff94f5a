"""Scores of tokens become whole words of a passage, with chances that add up."""

from pathlib import Path

import numpy as np
import pytest

from generation.pointing import PairTokenizer, TokenizedPair, extract
from tests.unit.core.encoder_folder import write_folder

PASSAGE = "Opened in 1908, rebuilt in 1951."
# as a vocabulary of pieces cuts it: words with the space before them, a year in two
PIECES = ["Opened", " in", " 19", "08", ",", " rebuilt", " in", " 19", "51", "."]


def tokenized() -> TokenizedPair:
    places, start = [], 0
    for piece in PIECES:
        places.append((start, start + len(piece)))
        start += len(piece)
    return TokenizedPair(list(range(3 + len(PIECES))), 3, places)


def scores(starts: dict[int, float], ends: dict[int, float], none: float = -9.0) -> np.ndarray:
    """Of the three tokens before the passage, its own and padding behind."""
    values = np.full((3 + len(PIECES) + 2, 2), -9.0, np.float32)
    values[0] = none / 2
    for column, of in enumerate((starts, ends)):
        for piece, score in of.items():
            values[3 + piece, column] = score
    values[-2:] = 99.0  # nobody may point at padding
    return values


def test_a_span_is_whole_words_without_the_space_before_them() -> None:
    found = extract(tokenized(), scores({3: 5.0}, {3: 5.0}), PASSAGE)
    first = found.spans[0]
    assert (first.text, PASSAGE[first.start : first.end]) == ("1908", "1908")
    assert first.probability > 0.9
    assert found.no_answer < 0.01


def test_pieces_of_a_word_are_one_span_and_their_chances_add_up() -> None:
    found = extract(tokenized(), scores({2: 5.0, 3: 5.0}, {3: 5.0}), PASSAGE)
    assert found.spans[0].text == "1908"
    assert found.spans[0].probability > 0.9
    assert len({span.text for span in found.spans}) == len(found.spans)
    assert sum(span.probability for span in found.spans) + found.no_answer <= 1 + 1e-9


def test_a_span_has_no_signs_around_it_and_is_one_with_that_without() -> None:
    found = extract(tokenized(), scores({2: 5.0}, {3: 5.0, 4: 5.0}), PASSAGE)
    assert found.spans[0].text == "1908"
    assert found.spans[0].probability > 0.9


def test_an_answer_never_ends_before_it_begins() -> None:
    found = extract(tokenized(), scores({7: 9.0}, {2: 9.0, 8: 1.0}), PASSAGE)
    assert found.spans[0].text == "1951"
    assert all(span.start < span.end for span in found.spans)


def test_where_the_first_token_is_likeliest_nothing_answers() -> None:
    found = extract(tokenized(), scores({2: 1.0}, {3: 1.0}, none=9.0), PASSAGE)
    assert found.no_answer > 0.9


def test_signs_alone_answer_nothing() -> None:
    found = extract(tokenized(), scores({4: 9.0}, {4: 9.0}), PASSAGE)
    assert all(any(char.isalnum() for char in span.text) for span in found.spans)


@pytest.mark.parametrize("passage", ["", "   "])
def test_a_passage_without_words_answers_nothing(tmp_path: Path, passage: str) -> None:
    write_folder(tmp_path / "tiny")
    (pair,) = PairTokenizer(tmp_path / "tiny", window=24).encode("w1", [passage])
    found = extract(pair, np.zeros((len(pair.ids), 2), np.float32), passage)
    assert (found.spans, found.no_answer) == ((), 1.0)


def test_characters_beyond_the_window_are_held_by_no_token(tmp_path: Path) -> None:
    write_folder(tmp_path / "tiny")
    (pair,) = PairTokenizer(tmp_path / "tiny", window=10).encode("w1", ["w2 w3 w4 w5 w6 w7 w8 w9"])
    assert len(pair.ids) == 10
    assert pair.find(0, 5) == (4, 5)
    assert pair.find(21, 23) is None
    assert pair.find(12, 23) is None
