"""What a reader is reported on: questions of held-out articles, each with the passages it reads."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from benchmarks.reader_articles import SEED, XQUAD, Articles, read_qrels
from benchmarks.reader_mining import Finder, Paragraph, open_finder
from benchmarks.text_sets import build_passage, read_rows
from core.types import Passage
from generation.language import Language

NUM_DISTRACTORS: Final = 4


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, what it is read from, and what is right; no golds: it is to be refused."""

    question: str
    passages: tuple[Passage, ...]
    golds: tuple[str, ...]
    article: str
    fold: int
    language: Language

    def of(self, passage: Passage) -> Self:
        """The same question, read from one passage."""
        return replace(self, passages=(passage,))


def load_xquad(data: Path, articles: Articles, language: Language) -> list[Asked]:
    """XQuAD with its gold paragraph alone."""
    corpus, qrels = XQUAD[language]
    paragraphs = {row["_id"]: row for row in read_rows(data / corpus)}
    about = dict(read_qrels(data / qrels))
    asked = [
        (row["text"], paragraphs[about[row["_id"]]], tuple(row["answers"]))
        for row in read_rows(data / f"xquad/queries.{language}.jsonl")
        if row["_id"] in about
    ]
    return list(_reported(asked, articles, language))


def load_near_misses(data: Path, articles: Articles) -> list[Asked]:
    """Spanish SQuAD 2.0: about half of the questions are not answered by their paragraph."""
    paragraphs = {row["_id"]: row for row in read_rows(data / "squad_es/v2.0.corpus.jsonl")}
    asked = [
        (row["text"], paragraphs[row["nearest_doc"]], tuple(row["answers"] or ()))
        for row in read_rows(data / "squad_es/v2.0.queries.jsonl")
    ]
    return list(_reported(asked, articles, "es"))


def among_others(asked: Sequence[Asked], data: Path) -> list[Asked]:
    """The same questions, each with four other passages that it finds, in random order."""
    paragraphs = [_paragraph(row, "en") for row in read_rows(data / "squad_en/corpus.jsonl")]
    paragraphs += [_paragraph(row, "es") for row in read_rows(data / "squad_es/v1.1.corpus.jsonl")]
    rng = random.Random(SEED)  # noqa: S311  # an order, no secret
    with open_finder(paragraphs) as finder:
        return [_surround(item, finder, rng) for item in asked]


def sample(asked: Sequence[Asked], limit: int | None) -> list[Asked]:
    """At most `limit`, drawn at random, always the same."""
    if limit is None or limit >= len(asked):
        return list(asked)
    return random.Random(SEED).sample(list(asked), limit)  # noqa: S311  # an order, no secret


def _reported(
    asked: Sequence[tuple[str, Mapping[str, str], tuple[str, ...]]],
    articles: Articles,
    language: Language,
) -> Iterator[Asked]:
    for question, row, golds in asked:
        side = articles.side_of(row["title"])
        if isinstance(side, int):
            title, text = row["title"].replace("_", " "), row["text"].strip("\ufeff \n")
            passages = (build_passage(title, text),)
            yield Asked(question.strip(), passages, golds, title, side, language)


def _surround(asked: Asked, finder: Finder, rng: random.Random) -> Asked:
    (gold,) = asked.passages
    # a translation of the gold paragraph is no distractor: it answers too
    others = [
        build_passage(paragraph.name, paragraph.text)
        for paragraph in finder.find(asked.question, top_k=4 * NUM_DISTRACTORS)
        if paragraph.text[:60] != gold.text[:60] and paragraph.language == asked.language
        if paragraph.name != gold.document_name or asked.language == "en"
    ]
    passages = [gold, *others[:NUM_DISTRACTORS]]
    rng.shuffle(passages)
    return Asked(
        asked.question, tuple(passages), asked.golds, asked.article, asked.fold, asked.language
    )


def _paragraph(row: Mapping[str, str], language: Language) -> Paragraph:
    return Paragraph(row["title"].replace("_", " "), row["text"].strip(), language)
