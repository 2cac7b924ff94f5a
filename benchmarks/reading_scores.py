"""How near a read answer is to the gold: exact match, F1 and containment, as SQuAD counts them.

Case, punctuation, accents and the articles of English and Spanish are overlooked.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from generation.words import fold

_ARTICLES: Final = frozenset(
    ["a", "an", "the", "el", "la", "los", "las", "un", "una", "unos", "unas", "lo"]
)
_WORD: Final = re.compile(r"\w+")


def words_of(text: str) -> list[str]:
    """The words that count. Letters on both sides of a stop are one word, as in "U.S."."""
    plain = re.sub(r"[^\w\s]", "", fold(text))
    return [word for word in _WORD.findall(plain) if word not in _ARTICLES]


def exact_match(text: str, golds: Sequence[str]) -> float:
    """1 where the answer is one of the golds, else 0."""
    said = words_of(text)
    return float(any(said == words_of(gold) for gold in golds))


def f1(text: str, golds: Sequence[str]) -> float:
    """The best F1 of shared words over the golds."""
    return max((_f1(words_of(text), words_of(gold)) for gold in golds), default=0.0)


def contains(text: str, golds: Sequence[str]) -> float:
    """1 where the answer holds one of the golds as whole words, else 0."""
    said = f" {' '.join(words_of(text))} "
    return float(any(f" {' '.join(words_of(gold))} " in said for gold in golds))


def _f1(said: Sequence[str], gold: Sequence[str]) -> float:
    shared = (Counter(said) & Counter(gold)).total()
    return 2 * shared / (len(said) + len(gold)) if shared else 0.0
