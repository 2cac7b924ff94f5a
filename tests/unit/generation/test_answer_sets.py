"""The benchmarks' text sets: chunks as the service cuts them, and gold where the text has it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from benchmarks.answer_sets import Gold, TextSet, load_text_set
from tests.fakes import FakeTokens
from tests.unit.generation.passages import make_passage

ROWS = [
    {"_id": "c0", "title": "Old_Bridge", "text": "The bridge is old. " * 30 + "It has 9 arches."},
    {"_id": "c1", "title": "Old_Bridge", "text": "It was opened in 1932 by Ana Gil."},
    {"_id": "c2", "title": "River", "text": "The river is long."},
]
QUERIES: list[dict[str, object]] = [
    {"_id": "q0", "text": "How many arches?", "answers": ["9 arches"], "lang": "es"},
    {"_id": "q1", "text": "Who closed it?", "answers": [], "answerable": False, "lang": "es"},
]


def _write(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def text_set(tmp_path: Path) -> TextSet:
    folder = tmp_path / "squad_es"
    folder.mkdir()
    _write(folder / "v2.0.corpus.jsonl", ROWS)
    nearest = [{**row, "nearest_doc": f"c{number}"} for number, row in enumerate(QUERIES)]
    _write(folder / "v2.0.queries.jsonl", nearest)
    (folder / "v2.0.qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq0\tc0\t1\n")
    return load_text_set(tmp_path, "squad_es", FakeTokens())


def test_chunks_are_slices_of_their_article_that_do_not_overlap(text_set: TextSet) -> None:
    article = ROWS[0]["text"] + "\n\n" + ROWS[1]["text"]
    chunks = [chunk for chunk in text_set.chunks if chunk.title == "Old Bridge"]

    assert len(chunks) > 1
    end = 0
    for chunk in chunks:
        assert chunk.start >= end
        end = chunk.start + len(chunk.text)
        assert article[chunk.start : end] == chunk.text


def test_gold_is_in_the_chunk_that_holds_the_answer_and_in_no_other(text_set: TextSet) -> None:
    question = text_set.questions[0]
    in_it = [
        question.gold.is_in([make_passage(chunk.text, start=chunk.start, name=chunk.title)])
        for chunk in text_set.chunks
    ]

    assert question.is_answerable
    assert in_it.count(True) == 1
    assert "9 arches" in text_set.chunks[in_it.index(True)].text


def test_a_near_miss_names_its_article_and_has_no_gold(text_set: TextSet) -> None:
    miss = text_set.questions[1]

    assert not miss.is_answerable
    assert miss.gold.article == "Old Bridge"
    assert not miss.gold.is_held_by(str(ROWS[1]["text"]))


def test_spaces_before_stops_and_accents_do_not_hide_gold() -> None:
    gold = Gold("a", 0, 9, ("El río , largo .",))

    assert gold.is_held_by("EL RIO, LARGO. Y ancho.")
    assert not gold.is_held_by("El río ancho")
