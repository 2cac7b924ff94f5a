"""Near misses for a reader to learn from: passages and questions that look right and are not.

Passages are found by the service's own lexical search. Questions are those of other passages that
find this one, or its own with a word changed so that it no longer answers.
"""

import random
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from core.access import Access
from generation.language import Language
from generation.spans import find_span
from retrieval.lexical.analysis import query_terms
from retrieval.lexical.index import LexicalIndex, LexicalText, LexicalView
from retrieval.lexical.search import build_query, search_lexical

_NAME: Final = re.compile(r"(?<=[a-záéíóúñ,] )[A-ZÁÉÍÓÚÑ][\w-]+(?: [A-ZÁÉÍÓÚÑ][\w-]+)*")
_YEAR: Final = re.compile(r"\b(?:1[0-9]|20)\d\d\b")
_PAIRS: Final[dict[Language, str]] = {
    "en": "first last, largest smallest, before after, most least, highest lowest, north south, "
    "east west, beginning end, older younger, more fewer, increase decrease, male female, "
    "upper lower, longest shortest, best worst, oldest newest, early late, begin end, "
    "public private, above below, won lost, began ended, started stopped",
    "es": "primer último, primera última, mayor menor, antes después, norte sur, este oeste, "
    "más menos, mejor peor, comienzo final, aumento descenso, alto bajo, alta baja, superior "
    "inferior, ganó perdió, comenzó terminó, antiguo nuevo, antigua nueva, grande pequeño, "
    "máximo mínimo, aumentó disminuyó, público privado, hombres mujeres, empezó acabó",
}


def _both_ways(pairs: str) -> dict[str, str]:
    split = [pair.split() for pair in pairs.split(",")]
    return {one: other for pair in split for one, other in (pair, pair[::-1])}


_OPPOSITES: Final = {language: _both_ways(pairs) for language, pairs in _PAIRS.items()}


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A text that can be found."""

    name: str
    text: str
    language: Language


class Finder:
    """Paragraphs by the words of a question."""

    def __init__(self, view: LexicalView, paragraphs: Sequence[Paragraph]) -> None:
        self._view = view
        self._paragraphs = paragraphs

    def find(self, question: str, *, top_k: int) -> list[Paragraph]:
        """The best, best first."""
        asked = build_query(self._view, query_terms(question))
        if asked is None:
            return []
        hits = search_lexical(self._view, asked, access=Access.to_everything(), top_k=top_k)
        return [self._paragraphs[hit.chunk_id] for hit in hits]


@contextmanager
def open_finder(paragraphs: Sequence[Paragraph]) -> Iterator[Finder]:
    """Index the paragraphs in a folder that is gone at the end."""
    with TemporaryDirectory(prefix="cimiento-mining-") as folder:
        index = LexicalIndex(Path(folder))
        texts = [
            LexicalText(number, "all", item.language, item.name, item.text)
            for number, item in enumerate(paragraphs)
        ]
        with index.writing() as writer:
            writer.add(texts)
            writer.commit(1)
        yield Finder(index.refresh(), paragraphs)


def twist(
    question: str, passage: str, others: Sequence[str], language: Language, rng: random.Random
) -> str | None:
    """The question with a word changed so that the passage no longer answers; None where none fits.

    A name becomes one of the other passages', a year another, a word its opposite: never one that
    the passage holds.
    """
    changes = [
        *_other_names(question, others),
        *_other_years(question, rng),
        *_opposed(question, language),
    ]
    rng.shuffle(changes)
    for old, new in changes:
        if find_span(new, passage) is None:
            return re.sub(rf"\b{re.escape(old)}\b", lambda _: new, question, count=1)  # noqa: B023
    return None


def _other_names(question: str, others: Sequence[str]) -> Iterator[tuple[str, str]]:
    for old in _NAME.findall(question):
        for text in others:
            for new in _NAME.findall(text)[:6]:
                if len(new.split()) == len(old.split()) and new not in question:
                    yield old, new


def _other_years(question: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    for year in _YEAR.findall(question):
        yield year, str(int(year) + rng.choice((-40, -23, -12, -7, -4, 3, 6, 11, 19)))


def _opposed(question: str, language: Language) -> Iterator[tuple[str, str]]:
    for word in re.findall(r"\w+", question):
        if (other := _OPPOSITES[language].get(word.lower())) is not None:
            yield word, other
