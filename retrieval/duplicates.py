"""Passages that say nothing new. Pure: compares texts, loads none.

Only live passages that the caller may see are given to it, so that what is deleted or foreign can
never stand in the way of another.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

from core.types import Passage

_WORD: Final = re.compile(r"\w+")
_ACCENT: Final = re.compile(r"[\u0300-\u036f]")
_SHINGLE_WORDS: Final = 3


def drop_duplicates(passages: Sequence[Passage]) -> list[Passage]:
    """Leave out every passage that says nothing which one before it does not say.

    Such a passage has the same words in the same order, whatever its marks, case, accents and
    spaces; or every three words in a row of it stand in a row in the earlier one, as when a page
    was cut in another place. Two texts that differ by a number, a name or a `not` are both kept: a
    share of common words, however high, would take the one for the other.
    """
    kept: list[tuple[Passage, _Words]] = []
    for passage in passages:
        words = _Words.of(passage.text)
        if not any(words.add_nothing_to(earlier) for _, earlier in kept):
            kept.append((passage, words))
    return [passage for passage, _ in kept]


@dataclass(frozen=True)  # no slots: what was worked out once is kept beside the words
class _Words:
    """A text as its words in order. A text of marks alone is one word."""

    order: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Self:
        """Words are compared without case and accents."""
        return cls(tuple(_WORD.findall(_fold(text))) or (text,))

    @cached_property
    def all(self) -> frozenset[str]:
        """Every word."""
        return frozenset(self.order)

    @cached_property
    def shingles(self) -> frozenset[tuple[str, ...]]:
        """Every three words in a row."""
        shingles = zip(*(self.order[start:] for start in range(_SHINGLE_WORDS)), strict=False)
        return frozenset(shingles)

    def add_nothing_to(self, earlier: Self) -> bool:
        """Whether the earlier text says all of this one."""
        if not self.all <= earlier.all:  # nearly always, and found at the first word
            return False
        if self.shingles:
            return self.shingles <= earlier.shingles
        return self.order == earlier.order


def _fold(text: str) -> str:
    folded = text.casefold()
    return folded if folded.isascii() else _ACCENT.sub("", unicodedata.normalize("NFKD", folded))
