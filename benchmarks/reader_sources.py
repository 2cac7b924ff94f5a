"""Where the examples of the default reader come from: training sets, capped, and made questions.

Nothing of an article that is reported on is read. Answers are spans; what has none is left out.
"""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.reader_articles import XQUAD, Articles, read_qrels
from benchmarks.reader_mining import Paragraph
from benchmarks.reader_questions import make_questions
from benchmarks.text_sets import read_rows
from generation.spans import find_span

_MAX_WORDS: Final = 230  # of a passage: what the service cuts is shorter still
_MAX_ANSWER_WORDS: Final = 16
# most answers taken of each set; sentences are long answers, and few of them teach enough
_CAPS: Final[Mapping[str, int]] = {
    "qed": 4000,
    "quoref": 1100,
    "covidqa": 1000,
    "halueval_qa": 500,
    "tatqa_text": 500,
    "selqa": 500,
    "qamr": 3000,
    "fairytaleqa": 4000,
    "casimedicos_es": 200,
}
_SENTENCES: Final = 500  # answers of a whole sentence, over all sets
_NUM_MADE_PARAGRAPHS: Final = 4000
_WIKIPEDIA: Final = "CC BY-SA 4.0"


@dataclass(slots=True)
class Ground:
    """A passage, and what is asked of it. `split` "dev": only to judge by."""

    paragraph: Paragraph
    origin: str
    licence: str
    split: str = "learn"
    asked: list[tuple[str, str]] = field(default_factory=list)  # with its answer
    near_misses: list[str] = field(default_factory=list)


class Grounds:
    """Passages by their text: questions of several sets about one passage come together."""

    def __init__(self) -> None:
        self._by_text: dict[str, Ground] = {}

    def __iter__(self) -> Iterator[Ground]:
        return iter(self._by_text.values())

    def at(self, paragraph: Paragraph, origin: str, licence: str, split: str = "learn") -> Ground:
        new = Ground(paragraph, origin, licence, split)
        return self._by_text.setdefault(paragraph.text, new)


def gather(data: Path, articles: Articles, *, seed: int) -> Grounds:
    """All passages with their questions."""
    rng = random.Random(seed)  # noqa: S311  # an order, no secret
    grounds = Grounds()
    sentences = Counter[str]()
    for name, cap in _CAPS.items():
        rows = list(read_rows(data / "train" / f"{name}.jsonl"))
        rng.shuffle(rows)
        _take_training_set(rows, cap, grounds, sentences)
    _take_spanish_squad(data, articles, grounds)
    _take_xquad(data, articles, grounds)
    _take_made(data, articles, grounds, rng)
    return grounds


def read_english(data: Path, articles: Articles) -> Iterator[Paragraph]:
    """Paragraphs of articles that nobody reports on."""
    for row in read_rows(data / "squad_en/corpus.jsonl"):
        if not articles.is_reported(row["title"]):
            yield Paragraph(row["title"].replace("_", " "), row["text"].strip(), "en")


def _take_training_set(
    rows: Sequence[Mapping[str, Any]], cap: int, grounds: Grounds, sentences: Counter[str]
) -> None:
    num_taken = 0
    for row in rows:
        context = " ".join(row["context"].split())
        if len(context.split()) > _MAX_WORDS or row["kind"] in ("yesno", "table", "abstractive"):
            continue
        question = row["question"].strip()
        question = question[:1].upper() + question[1:]
        paragraph = Paragraph(_name_of(context), context, row["lang"])
        if not row["answerable"]:
            grounds.at(paragraph, row["source"], row["licence"]).near_misses.append(question)
            continue
        answer = _choose_answer(row["answers"], context)
        if answer is None or num_taken >= cap:
            continue
        if len(answer.split()) > _MAX_ANSWER_WORDS:
            sentences["taken"] += 1
            if sentences["taken"] > _SENTENCES:
                continue
        num_taken += 1
        grounds.at(paragraph, row["source"], row["licence"]).asked.append((question, answer))


def _choose_answer(answers: Sequence[str], context: str) -> str | None:
    """The shortest, where all agree in a word; several that do not are noise."""
    spans = [span for answer in answers if (span := find_span(answer, context))]
    if not spans or len(spans) < len(answers):
        return None
    shared = set.intersection(*(set(span.casefold().split()) for span in spans))
    return min(spans, key=len) if shared else None


def _name_of(context: str) -> str:
    """What a document of this text could be called: its first words."""
    words = [word.strip('.,;:()[]"') for word in context.split()[:4]]
    return " ".join(word for word in words if word)


def _take_spanish_squad(data: Path, articles: Articles, grounds: Grounds) -> None:
    for version in ("v1.1", "v2.0"):
        paragraphs = {
            row["_id"]: Paragraph(row["title"].replace("_", " "), row["text"].strip(), "es")
            for row in read_rows(data / f"squad_es/{version}.corpus.jsonl")
        }
        for row in read_rows(data / f"squad_es/{version}.queries.jsonl"):
            paragraph = paragraphs[row["nearest_doc"]]
            side = articles.side_of(paragraph.name)
            if isinstance(side, int) or len(paragraph.text.split()) > _MAX_WORDS:
                continue
            split = "dev" if side == "develop" else "learn"
            ground = grounds.at(paragraph, f"SQuAD-es {version}", "CC BY 4.0", split)
            if not row["answerable"]:
                ground.near_misses.append(row["text"].strip())
                continue
            answer = _choose_answer(row["answers"][:1], paragraph.text)
            if answer is not None:
                ground.asked.append((row["text"].strip(), answer))


def _take_xquad(data: Path, articles: Articles, grounds: Grounds) -> None:
    """XQuAD's questions of articles that are not reported on: people translated these."""
    for language, (corpus, qrels) in XQUAD.items():
        about = dict(read_qrels(data / qrels))
        asked_of = set(about.values())
        paragraphs = {
            row["_id"]: Paragraph(row["title"].replace("_", " "), row["text"].strip(), language)
            for row in read_rows(data / corpus)
            if row["_id"] in asked_of and articles.side_of(row["title"]) == "learn"
        }
        for row in read_rows(data / f"xquad/queries.{language}.jsonl"):
            paragraph = paragraphs.get(about.get(row["_id"], ""))
            if paragraph is None or len(paragraph.text.split()) > _MAX_WORDS:
                continue
            answer = _choose_answer(row["answers"][:1], paragraph.text)
            if answer is not None:
                ground = grounds.at(paragraph, "XQuAD", _WIKIPEDIA)
                ground.asked.append((row["text"].strip(), answer))


def _take_made(data: Path, articles: Articles, grounds: Grounds, rng: random.Random) -> None:
    """Questions by rules: over English articles, and over the Spanish passages that are here."""
    english = [p for p in read_english(data, articles) if articles.side_of(p.name) == "learn"]
    rng.shuffle(english)
    num_paragraphs = 0
    for paragraph in english:
        made = list(make_questions(paragraph.text, "en"))
        if made and len(paragraph.text.split()) <= _MAX_WORDS:
            num_paragraphs += 1
            ground = grounds.at(paragraph, "made from SQuAD's paragraphs", _WIKIPEDIA)
            ground.asked += [(item.question, item.answer) for item in made]
        if num_paragraphs == _NUM_MADE_PARAGRAPHS:
            break
    for ground in grounds:
        if ground.paragraph.language == "es" and ground.split == "learn":
            made = list(make_questions(ground.paragraph.text, "es"))
            ground.asked += [(item.question, item.answer) for item in made]
