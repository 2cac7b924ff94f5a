"""Which articles a reader may learn from, and which are kept to report on. Reads the text sets.

XQuAD and both Spanish SQuADs ask about the same English articles: what is held out must be held
out of all of them, in both languages. Articles are joined by the questions and titles they share.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np

from benchmarks.text_sets import read_rows
from generation.language import Language

SEED: Final = 20_261_127
NUM_FOLDS: Final = 3
# the paragraphs and which question asks about which, by language
XQUAD: Final[Mapping[Language, tuple[str, str]]] = {
    "en": ("squad_en/corpus.jsonl", "xquad/qrels.en_over_squad_en.tsv"),
    "es": ("xquad/corpus.es.jsonl", "xquad/qrels.es_over_xquad_es.tsv"),
}
_NUM_DEVELOPMENT: Final = 1  # article, of those to learn from: Spanish is thin
# question sets, the paragraphs they ask about, and which about which
_SETS: Final = (
    ("squad_es/v1.1.queries.jsonl", "squad_es/v1.1.corpus.jsonl", None),
    ("squad_es/v2.0.queries.jsonl", "squad_es/v2.0.corpus.jsonl", None),
    ("xquad/queries.es.jsonl", *XQUAD["es"]),
    ("xquad/queries.en.jsonl", *XQUAD["en"]),
)

Side = Literal["learn", "develop"] | int  # a number: the fold it is reported with


@dataclass(frozen=True, slots=True)
class Articles:
    """Every article that a question set asks about, and its side."""

    sides: dict[str, Side]  # by title, in any of the sets

    def side_of(self, title: str) -> Side:
        """An article that nobody asks about is free to learn from."""
        return self.sides.get(plain_title(title), "learn")

    def is_reported(self, title: str) -> bool:
        return isinstance(self.side_of(title), int)


def split_articles(data: Path) -> Articles:
    """Half of the articles in three folds to report on; one more to choose weights by."""
    joined = _Joined()
    for queries, corpus, qrels in _SETS:
        titles = {row["_id"]: plain_title(row["title"]) for row in read_rows(data / corpus)}
        about = {} if qrels is None else dict(read_qrels(data / qrels))
        for row in read_rows(data / queries):
            paragraph = about.get(row["_id"]) or row.get("nearest_doc")
            if paragraph is not None:
                joined.join(titles[paragraph], f"question {row['_id']}")
    members = joined.members()
    order = np.random.default_rng(SEED).permutation(len(members))
    per_fold = len(members) // (2 * NUM_FOLDS)
    sides: dict[str, Side] = {}
    for place, index in enumerate(order):
        fold = int(place) // per_fold
        side: Side = fold
        if fold >= NUM_FOLDS:
            side = "develop" if place < NUM_FOLDS * per_fold + _NUM_DEVELOPMENT else "learn"
        sides |= dict.fromkeys(members[index], side)
    return Articles(sides)


def plain_title(title: str) -> str:
    return " ".join(title.replace("_", " ").split()).casefold()


def read_qrels(path: Path) -> Iterator[tuple[str, str]]:
    """Pairs of a question and the paragraph that answers it."""
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        question, paragraph, *_ = line.split("\t")
        yield question, paragraph


class _Joined:
    """Names that belong together, by whatever joins them."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def join(self, one: str, other: str) -> None:
        self._parent[self._root(one)] = self._root(other)

    def members(self) -> list[list[str]]:
        """The titles of every article, in an order of their own."""
        found: dict[str, list[str]] = {}
        for name in sorted(self._titles()):
            found.setdefault(self._root(name), []).append(name)
        return sorted(found.values())

    def _titles(self) -> Iterable[str]:
        return (name for name in self._parent if not name.startswith("question "))

    def _root(self, name: str) -> str:
        self._parent.setdefault(name, name)
        while self._parent[name] != name:
            self._parent[name] = self._parent[self._parent[name]]
            name = self._parent[name]
        return name
