"""Every line becomes an example, or is left out and counted under its reason."""

from pathlib import Path
from typing import Any

import pytest

from generation.training.errors import DataError
from generation.training.reader.examples import (
    Example,
    ExampleCounts,
    read_examples,
    split_development,
)
from tests.unit.generation.training.reader.making import make_rows, write_rows

GOOD: dict[str, Any] = {
    "question": "Where is it?",
    "passages": ["It is in the Old Town."],
    "answer": "old town",
}


def read(tmp_path: Path, *lines: object) -> tuple[list[Example], ExampleCounts]:
    path = write_rows(tmp_path / "examples.jsonl", lines)
    counts = ExampleCounts()
    return read_examples(path, counts), counts


def test_an_answer_is_spelt_as_its_passage_spells_it(tmp_path: Path) -> None:
    (example,), counts = read(tmp_path, GOOD)
    assert example.answer == "Old Town"
    assert (example.language, counts.num_kept, counts.num_refusals) == ("en", 1, 0)


def test_what_feedback_exports_is_read_as_it_is(tmp_path: Path) -> None:
    row = {
        "id": "1",
        "lang": "es",
        "question": "¿Dónde está?",
        "context": "Está en el casco antiguo.",
        "answers": ["una torre", "el casco antiguo"],
        "answerable": True,
        "source": "feedback",
    }
    refused = row | {"question": "¿Quién lo hizo?", "answers": [], "answerable": False}
    examples, counts = read(tmp_path, row, refused)
    assert [example.answer for example in examples] == ["el casco antiguo", None]
    assert counts.origins == {("feedback", "unknown"): 2}
    assert counts.languages == {"es": 2}


def test_an_answer_with_marks_is_kept_where_each_of_its_sentences_is_there(tmp_path: Path) -> None:
    cited = GOOD | {"answer": "It is in the Old Town. [1]"}
    invented = GOOD | {"question": "Why?", "answer": "It is in the Old Town [1]. It is nice [1]."}
    examples, counts = read(tmp_path, cited, invented)
    assert [example.answer for example in examples] == ["It is in the Old Town. [1]"]
    assert counts.left_out == {"answer not in its passages": 1}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ([1], "not an object"),
        (GOOD | {"question": " "}, "without a question, passages or an answer"),
        (GOOD | {"question": 5}, "without a question, passages or an answer"),
        (GOOD | {"passages": []}, "without a question, passages or an answer"),
        (GOOD | {"passages": [""]}, "without a question, passages or an answer"),
        (
            GOOD | {"passages": [{"name": 1, "text": "x"}]},
            "without a question, passages or an answer",
        ),
        (GOOD | {"passages": 7}, "without a question, passages or an answer"),
        (GOOD | {"answer": ""}, "without a question, passages or an answer"),
        (GOOD | {"answer": {"a": 1}}, "without a question, passages or an answer"),
        (GOOD | {"answer": "the harbour"}, "answer not in its passages"),
        (GOOD, "said before"),
    ],
)
def test_a_line_that_teaches_nothing_is_counted(tmp_path: Path, bad: object, reason: str) -> None:
    examples, counts = read(tmp_path, GOOD, bad)
    assert len(examples) == 1
    assert counts.left_out == {reason: 1}
    assert f"2 lines were read; left out: {reason} 1" in counts.lines()


def test_examples_that_contradict_each_other_are_all_left_out(tmp_path: Path) -> None:
    other = GOOD | {"question": "WHERE IS IT?", "answer": None}
    kept = GOOD | {"question": "What is it?"}
    examples, counts = read(tmp_path, GOOD, other, kept)
    assert [example.question for example in examples] == ["What is it?"]
    assert counts.left_out == {"contradicts another": 2}


def test_a_file_that_teaches_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds nothing to learn from\. 0 lines"):
        read(tmp_path)
    with pytest.raises(DataError, match="would never answer"):
        read(tmp_path, GOOD | {"answer": None})


def test_no_passage_answers_on_both_sides(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "examples.jsonl", make_rows(20))
    examples = read_examples(path, ExampleCounts())
    learnt, judged = split_development(examples, held_out_share=0.25, seed=3)
    assert {e.ground for e in learnt}.isdisjoint({e.ground for e in judged})
    assert len({e.ground for e in judged}) == 5
    assert len(learnt) + len(judged) == len(examples)
    assert split_development(examples, held_out_share=0.25, seed=3) == (learnt, judged)
    assert split_development(examples, held_out_share=0.25, seed=4) != (learnt, judged)


def test_lines_marked_to_judge_by_are_only_judged_by(tmp_path: Path) -> None:
    rows = make_rows(4)
    rows[1]["split"] = "dev"
    examples = read_examples(write_rows(tmp_path / "examples.jsonl", rows), ExampleCounts())
    learnt, judged = split_development(examples, held_out_share=0.25, seed=0)
    assert [example.question for example in judged] == [rows[1]["question"]]
    assert len(learnt) == len(rows) - 1


def test_one_passage_cannot_be_learnt_from_and_judged_by(tmp_path: Path) -> None:
    examples = read_examples(write_rows(tmp_path / "examples.jsonl", make_rows(1)), ExampleCounts())
    with pytest.raises(DataError, match="too few passages"):
        split_development(examples, held_out_share=0.25, seed=0)
