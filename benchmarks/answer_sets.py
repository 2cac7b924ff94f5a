"""Questions with their gold, over articles cut as the service cuts them. Measures nothing.

An article is one document. Its paragraphs are joined, and the text is cut into chunks by the
service's own chunker, so that passages are what people really get.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.retrieval_library import Paragraph
from benchmarks.text_sets import read_rows
from core.settings import IngestionSettings
from core.tokens import Tokens
from core.types import Passage
from generation.words import fold
from ingestion.chunking import ChunkSize, chunk
from ingestion.parsing.document import ParsedDocument

SEED: Final = 20_261_127
_NUM_DISTRACTORS: Final = 600
_BETWEEN: Final = "\n\n"
_SPACED: Final = re.compile(r"\s+(?=[,.;:!?)\]%'])|(?<=[(\[])\s+")


@dataclass(frozen=True, slots=True)
class Gold:
    """Where the answer stands: an article, the span of its paragraph, and the answer's texts."""

    article: str
    start: int
    end: int
    answers: tuple[str, ...]

    def is_in(self, passages: Sequence[Passage]) -> bool:
        """Whether one of the passages holds an answer, inside the gold paragraph."""
        return any(
            self.is_held_by(passage.text)
            for passage in passages
            if passage.document_name == self.article
            if passage.start < self.end
            if self.start < passage.end
        )

    def is_held_by(self, text: str) -> bool:
        """Whether a text holds an answer to the letter, but for case, accents and spaces."""
        held = normalised(text)
        return any(normalised(answer) in held for answer in self.answers)


@dataclass(frozen=True, slots=True)
class Question:
    """A question. Without `is_answerable` the gold says which paragraph it nearly is about."""

    id: str
    text: str
    language: str
    gold: Gold
    is_answerable: bool


@dataclass(frozen=True, slots=True)
class TextSet:
    """Questions over chunks; `article` is a chunk's title."""

    name: str
    chunks: tuple[Paragraph, ...]
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the parts lie; `keep` cuts the corpus down to the gold and so many others."""

    name: str
    corpus: str
    queries: str
    qrels: str
    language: str
    num_others: int | None = None
    answers: str = ""


_SOURCES: Final = (
    _Source(
        "xquad_en",
        "squad_en/corpus.jsonl",
        "xquad/queries.en.jsonl",
        "xquad/qrels.en_over_squad_en.tsv",
        "en",
        _NUM_DISTRACTORS,
    ),
    _Source(
        "xquad_es",
        "xquad/corpus.es.jsonl",
        "xquad/queries.es.jsonl",
        "xquad/qrels.es_over_xquad_es.tsv",
        "es",
    ),
    _Source(
        "xquad_es_en",
        "squad_en/corpus.jsonl",
        "xquad/queries.es.jsonl",
        "xquad/qrels.es_question_over_squad_en.tsv",
        "en",
        _NUM_DISTRACTORS,
        answers="xquad/queries.en.jsonl",
    ),
    _Source(
        "squad_es",
        "squad_es/v2.0.corpus.jsonl",
        "squad_es/v2.0.queries.jsonl",
        "squad_es/v2.0.qrels.tsv",
        "es",
    ),
    _Source("clapnq", "clapnq/corpus.jsonl", "clapnq/queries.jsonl", "clapnq/qrels.tsv", "en"),
)
NAMES: Final = tuple(source.name for source in _SOURCES)


def load_text_set(
    data: Path,
    name: str,
    tokens: Tokens,
    *,
    limit: int | None = None,
    num_others: int | None = None,
) -> TextSet:
    """One of `NAMES`: at most `limit` questions, drawn at random, over their articles.

    With a limit, or with `num_others`, the corpus holds only the paragraphs that the questions are
    about and so many others.
    """
    source = next(item for item in _SOURCES if item.name == name)
    rows = {row["_id"]: row for row in read_rows(data / source.corpus)}
    rng = np.random.default_rng(SEED)
    asked = list(read_rows(data / source.queries))
    chosen = sorted(rng.permutation(len(asked))[:limit])
    asked = [asked[index] for index in chosen]
    others = num_others if num_others is not None else source.num_others
    near = _near(data / source.qrels, asked)
    if limit is not None or others is not None:
        rows = _shrink(rows, set(near.values()), others or 0, rng)
    texts, places = _articles(rows.values())
    answers = _answers(data / (source.answers or source.queries))
    questions = tuple(
        Question(
            row["_id"],
            row["text"].strip(),
            row["lang"],
            Gold(*places[near[row["_id"]]], answers[row["_id"]]),
            row.get("answerable", True),
        )
        for row in asked
    )
    return TextSet(name, tuple(_chunks(texts, source.language, tokens)), questions)


def normalised(text: str) -> str:
    """A text for comparing: folded, one space between words, none before stops."""
    plain = text.replace("``", '"').replace("''", '"')
    return _SPACED.sub("", " ".join(fold(plain).split()))


def _near(qrels: Path, asked: Sequence[Mapping[str, object]]) -> dict[str, str]:
    """The paragraph that each question is about, or nearly is."""
    lines = qrels.read_text(encoding="utf-8").splitlines()[1:]
    gold = dict(line.split("\t")[:2] for line in lines)
    return {str(row["_id"]): str(gold.get(str(row["_id"])) or row["nearest_doc"]) for row in asked}


def _answers(queries: Path) -> dict[str, tuple[str, ...]]:
    """What a right answer holds; of long answers, each of the sentences that they rest on."""
    found: dict[str, tuple[str, ...]] = {}
    for row in read_rows(queries):
        sentences = [text for group in row.get("gold_sentences", []) for text in group]
        found[row["_id"]] = tuple(row.get("answers") or sentences)
    return found


def _shrink(
    rows: Mapping[str, dict[str, str]], gold: set[str], num_others: int, rng: np.random.Generator
) -> dict[str, dict[str, str]]:
    others = sorted(rows.keys() - gold)
    kept = gold | {others[index] for index in rng.permutation(len(others))[:num_others]}
    return {name: row for name, row in rows.items() if name in kept}


def _articles(
    rows: Iterable[Mapping[str, str]],
) -> tuple[dict[str, str], dict[str, tuple[str, int, int]]]:
    """The text of each article, and where each paragraph stands in it."""
    texts: defaultdict[str, str] = defaultdict(str)
    places: dict[str, tuple[str, int, int]] = {}
    for row in rows:
        title = row["title"].replace("_", " ")
        start = len(texts[title])
        text = row["text"].strip("\ufeff \n")
        texts[title] += text + _BETWEEN
        places[row["_id"]] = (title, start, start + len(text))
    return texts, places


def _chunks(texts: Mapping[str, str], language: str, tokens: Tokens) -> list[Paragraph]:
    sizes = IngestionSettings()
    size = ChunkSize(sizes.chunk_tokens, sizes.chunk_overlap_tokens)
    return [
        Paragraph(f"{title}@{span.start}", title, text[span.start : span.end], language, span.start)
        for title, text in texts.items()
        for span in chunk(ParsedDocument(text), tokens, size)
    ]
