"""Write what four tunings learn from, out of the text sets: `cimiento train` reads each file.

    python -m benchmarks.tuning_data --data DATA --out FOLDER

`documents.jsonl` and `topics.jsonl` are for a classifier: texts, and questions, by what they are
about. `claims.jsonl` is for the embedding model: scientific claims, each with the abstract that
speaks to it and one that speaks to none. `reading.jsonl` is for `cimiento train pairs`. What
belongs together, such as the chapters of a story and both languages of a page, is on one side.
"""

import argparse
import json
import random
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.reader_articles import SEED, read_qrels
from benchmarks.text_sets import read_rows

_NUM_TEXTS: Final = 160  # of each topic
_NUM_QUESTIONS: Final = 400
_NUM_READ: Final = {True: 120, False: 40}  # questions with an answer, and without one
_HELD_OUT: Final = 5  # one group in so many
_MAX_CHARS: Final = 1500  # of a text: several chunks say no more about its topic
_SETS: Final[Mapping[str, tuple[str, ...]]] = {
    "encyclopaedia": ("qed",),
    "stories": ("fairytaleqa",),
    "medicine": ("covidqa", "pubmedqa", "casimedicos_es"),
    "finance": ("tatqa_text",),
}
_MANUALS: Final = "manuals"
_CHAPTER: Final = re.compile(r"-\d+$")

Row = dict[str, Any]


def main() -> None:
    """Draw, split, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the text sets")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    draw = random.Random(SEED)  # noqa: S311  # draws examples, keeps no secret
    for name, rows in {
        "documents": [*_documents(options.data, draw), *_manuals(options.data, draw)],
        "topics": _questions(options.data, draw),
        "claims": _claims(options.data, draw),
        "reading": _reading(options.data, draw),
    }.items():
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
        (options.out / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")


def _documents(data: Path, draw: random.Random) -> Iterator[Row]:
    for topic, sets in _SETS.items():
        by_text = {row["context"]: row for row in _asked(data, sets)}
        for row in _some(by_text.values(), _NUM_TEXTS, draw):
            yield _labelled(row["context"][:_MAX_CHARS], topic, row)


def _manuals(data: Path, draw: random.Random) -> Iterator[Row]:
    """Pages of a manual in two languages; a translation is on the side of what it translates."""
    pages = sorted((data / "fastapi_docs").glob("e[ns]/**/*.md"))
    for page in _some(pages, _NUM_TEXTS, draw):
        stem = page.relative_to(data / "fastapi_docs").as_posix()[3:]
        row = {"source": "FastAPI's documentation", "licence": "MIT", "group": stem}
        yield _labelled(page.read_text(encoding="utf-8")[:_MAX_CHARS], _MANUALS, row)


def _questions(data: Path, draw: random.Random) -> Iterator[Row]:
    for topic, sets in _SETS.items():
        for row in _some(_asked(data, sets), _NUM_QUESTIONS, draw):
            yield _labelled(row["question"], topic, row)


def _claims(data: Path, draw: random.Random) -> Iterator[Row]:
    """Claims that one abstract speaks to; its whole text is what has to be found."""
    folder = data / "scifact"
    abstracts = {row["_id"]: row for row in read_rows(folder / "corpus.jsonl")}
    about: dict[str, list[str]] = {}
    for claim, abstract in read_qrels(folder / "qrels.train.tsv"):
        about.setdefault(claim, []).append(abstract)
    wanted = {each for abstracts_of in about.values() for each in abstracts_of}
    others = sorted(abstracts.keys() - wanted)
    for row in read_rows(folder / "queries.train.jsonl"):
        if len(about[row["_id"]]) == 1:
            gold, other = abstracts[about[row["_id"]][0]], abstracts[draw.choice(others)]
            yield {
                "question": row["text"],
                "passages": [
                    {"name": each["title"], "text": each["text"]} for each in (gold, other)
                ],
                "answer": gold["text"],
                "language": "en",
                "source": "SciFact, train",
                "licence": "as allenai/scifact says",
                "split": _split(gold["_id"]),
            }


def _reading(data: Path, draw: random.Random) -> Iterator[Row]:
    rows = list(_asked(data, ("qed",)))
    for answerable, number in _NUM_READ.items():
        alike = [row for row in rows if row["answerable"] is answerable]
        yield from _some(alike, number, draw)


def _asked(data: Path, sets: Iterable[str]) -> Iterator[Row]:
    for name in sets:
        for row in read_rows(data / "train" / f"{name}.jsonl"):
            is_story = name == "fairytaleqa"
            yield row | {"group": _CHAPTER.sub("", row["id"]) if is_story else row["context"]}


def _some(rows: Iterable[Any], number: int, draw: random.Random) -> list[Any]:
    every = list(rows)
    return draw.sample(every, min(number, len(every)))


def _labelled(text: str, label: str, row: Mapping[str, Any]) -> Row:
    return {
        "text": text,
        "label": label,
        "source": row["source"],
        "licence": row["licence"],
        "split": _split(row["group"]),
    }


def _split(group: str) -> str:
    return "dev" if zlib.crc32(group.encode()) % _HELD_OUT == 0 else "learn"


if __name__ == "__main__":
    main()
