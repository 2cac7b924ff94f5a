"""Real retrieval prompts to measure with: a question and the passages to answer it from.

With `--data` they are XQuAD questions over their articles; without it,
questions over this project's own pages, so that the benchmark runs anywhere.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.text_sets import build_passage, read_rows
from generation.prompts import load_prompt
from generation.tokenizer import Tokenizer

_DOCS: Final = Path(__file__).resolve().parent.parent / "docs"


@dataclass(frozen=True, slots=True)
class Asked:
    """Two questions over the same passages: the second finds them known."""

    first: tuple[int, ...]
    second: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Case:
    title: str
    paragraphs: tuple[str, ...]  # in the document's order, the wanted one among them
    questions: tuple[str, str]


def build_prompts(
    tokenizer: Tokenizer, *, data: Path | None, num_prompts: int, num_tokens: int
) -> list[Asked]:
    """Prompts of at most about `num_tokens` tokens, as many passages as fit."""
    cases = list(_squad_cases(data) if data else _docs_cases())[: 4 * num_prompts]
    prompts = []
    for case in cases[:: max(1, len(cases) // num_prompts)][:num_prompts]:
        count = len(case.paragraphs)
        while count > 1 and len(_render(tokenizer, case, 0, count)) > num_tokens:
            count -= 1
        prompts.append(Asked(*(_render(tokenizer, case, which, count) for which in (0, 1))))
    return prompts


def _render(tokenizer: Tokenizer, case: _Case, which: int, count: int) -> tuple[int, ...]:
    passages = [build_passage(case.title, text) for text in case.paragraphs[:count]]
    messages = load_prompt("direct").render(case.questions[which], passages, "en")
    return tuple(tokenizer.render_chat(messages))


def _squad_cases(data: Path) -> Iterator[_Case]:
    """A paragraph that two questions are about, and those around it in its article."""
    rows = list(read_rows(data / "squad_en/corpus.jsonl"))
    places = {row["_id"]: place for place, row in enumerate(rows)}
    wanted = {
        question: paragraph
        for question, paragraph, *_ in (
            line.split("\t") for line in _lines(data / "xquad/qrels.en_over_squad_en.tsv")[1:]
        )
    }
    asked: dict[str, list[str]] = {}
    for row in read_rows(data / "xquad/queries.en.jsonl"):
        if row["_id"] in wanted:
            asked.setdefault(wanted[row["_id"]], []).append(row["text"].strip())
    for paragraph, questions in asked.items():
        if len(questions) > 1:
            place = places[paragraph]
            title = rows[place]["title"]
            around = [row["text"] for row in rows[place : place + 12] if row["title"] == title]
            yield _Case(title, tuple(around), (questions[0], questions[1]))


def _docs_cases() -> Iterator[_Case]:
    for page in sorted(_DOCS.rglob("*.md")):
        title, *sections = re.split(r"^#+ ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[
            1:
        ]
        for start in range(len(sections)):
            heading = sections[start].splitlines()[0]
            questions = (f"What does it say about {heading}?", f"When does one need {heading}?")
            yield _Case(title.splitlines()[0], tuple(sections[start:]), questions)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()
