"""Scores of a passage's tokens to the words that answer a question. Loads no weights.

Question and passage are read together; every token of the passage gets a score for beginning the
answer and one for ending it, and the first token of all stands for no answer (Devlin et al. 2019,
section 4.3).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from generation.extracting import ExtractedSpan, Extraction
from generation.spans import AROUND

_MAX_TOKENS: Final = 48  # of an answer
_NUM_SPANS: Final = 20


@dataclass(frozen=True, slots=True)
class TokenizedPair:
    """A question and a passage as token ids. The passage's tokens begin at `first`; `places` says
    where each stands in its text.
    """

    ids: list[int]
    first: int
    places: list[tuple[int, int]]

    def find(self, start: int, end: int) -> tuple[int, int] | None:
        """The tokens that hold these characters, first and last; None where they were cut off."""
        held = [n for n, (begin, stop) in enumerate(self.places) if begin < end and stop > start]
        if not held or self.places[held[-1]][1] < end:
            return None
        return self.first + held[0], self.first + held[-1]


class PairTokenizer:
    """Questions with passages to token ids; passages are cut at what the window leaves them."""

    def __init__(self, folder: Path, *, window: int) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(window, strategy="longest_first")

    def encode(self, question: str, passages: Sequence[str]) -> list[TokenizedPair]:
        """The question with each passage."""
        pairs = []
        for encoding in self._tokenizer.encode_batch([(question, each) for each in passages]):
            kinds = encoding.sequence_ids
            first = kinds.index(1) if 1 in kinds else len(kinds)
            places = [
                place for kind, place in zip(kinds, encoding.offsets, strict=True) if kind == 1
            ]
            pairs.append(TokenizedPair(encoding.ids, first, places))
        return pairs


def extract(pair: TokenizedPair, scores: NDArray[np.float32], passage: str) -> Extraction:
    """The likeliest spans of a passage by the scores of its tokens, (T, 2) or padded behind.

    A span's chance is that of its two scores together among all spans and no answer.
    """
    num = len(pair.places)
    if num == 0:
        return Extraction((), 1.0)
    inside = scores[pair.first : pair.first + num].astype(np.float64)  # (P, 2)
    is_span = np.tril(np.triu(np.ones((num, num), np.bool_)), _MAX_TOKENS - 1)
    joint = np.where(is_span, inside[:, :1] + inside[:, 1], -np.inf).ravel()  # (P * P,)
    odds = np.append(joint, scores[0].astype(np.float64).sum())
    chances = np.exp(odds - odds.max())
    chances /= chances.sum()
    spans: dict[tuple[int, int], float] = {}
    for index in np.argsort(-chances[:-1], kind="stable")[:_NUM_SPANS].tolist():
        first, last = divmod(index, num)
        if not is_span[first, last]:
            break  # fewer spans than are listed
        place = _widen(passage, pair.places[first][0], pair.places[last][1])
        if place is not None:
            spans[place] = spans.get(place, 0.0) + float(chances[index])
    ordered = sorted(spans.items(), key=lambda item: -item[1])
    found = (ExtractedSpan(passage[start:end], start, end, p) for (start, end), p in ordered)
    return Extraction(tuple(found), float(chances[-1]))


def _widen(text: str, start: int, end: int) -> tuple[int, int] | None:
    """To whole words, without signs around them; None where there are none."""
    while start < end and text[start] in AROUND:
        start += 1
    while end > start and text[end - 1] in AROUND:
        end -= 1
    while start > 0 and text[start - 1].isalnum() and text[start].isalnum():
        start -= 1
    while end < len(text) and text[end].isalnum() and text[end - 1].isalnum():
        end += 1
    return (start, end) if any(char.isalnum() for char in text[start:end]) else None
