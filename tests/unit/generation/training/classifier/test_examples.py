"""Every line becomes a labelled text, or is left out and counted under its reason."""

from pathlib import Path
from typing import Any

import pytest

from generation.training.classifier.examples import (
    LabelCounts,
    Labelled,
    read_labelled,
    split_labelled,
)
from generation.training.errors import DataError
from tests.unit.generation.training.classifier.making import make_rows
from tests.unit.generation.training.reader.making import write_rows

GOOD = [*make_rows(3)]


def read(tmp_path: Path, *lines: object) -> tuple[list[Labelled], LabelCounts]:
    path = write_rows(tmp_path / "labelled.jsonl", lines)
    counts = LabelCounts()
    return read_labelled(path, counts), counts


def test_labels_are_counted_and_where_they_come_from(tmp_path: Path) -> None:
    examples, counts = read(tmp_path, *GOOD)
    assert len(examples) == 9
    assert counts.labels == {"invoices": 3, "recipes": 3, "letters": 3}
    assert counts.origins == {("words", "CC0"): 9}
    assert any("of fewer than 10 texts" in line for line in counts.lines())


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{", "not JSON"),
        ([1], "not an object"),
        ({"text": " ", "label": "letters"}, "without a text"),
        ({"text": 5, "label": "letters"}, "without a text"),
        ({"text": "Dear Ann", "label": " "}, "without a label"),
        ({"text": "Dear Ann"}, "without a label"),
        ({"text": "Dear Ann", "label": None}, "without a label"),
        ({"text": "x", "label": "y" * 65}, "label longer than 64 characters, or unprintable"),
        ({"text": GOOD[0]["text"].upper(), "label": "invoices"}, "said before"),
    ],
)
def test_a_line_that_is_no_labelled_text_is_left_out_under_its_reason(
    tmp_path: Path, bad: object, reason: str
) -> None:
    examples, counts = read(tmp_path, *GOOD, bad)
    assert len(examples) == 9
    assert counts.left_out == {reason: 1}


def test_a_text_with_two_labels_teaches_neither(tmp_path: Path) -> None:
    turned = GOOD[0] | {"label": "letters"}
    examples, counts = read(tmp_path, *GOOD, turned)
    assert GOOD[0]["text"] not in {example.text for example in examples}
    assert counts.left_out == {"contradicts another": 2}


def test_a_near_copy_is_left_out_so_that_nothing_is_judged_that_was_learnt(tmp_path: Path) -> None:
    long = " ".join(row["text"] for row in make_rows(8, seed=5))
    examples, counts = read(
        tmp_path,
        *GOOD,
        {"text": long, "label": "letters"},
        {"text": long + " again", "label": "letters"},
    )
    assert len(examples) == 10
    assert counts.left_out == {"nearly said before": 1}


def test_a_label_seen_once_is_named_and_left_out(tmp_path: Path) -> None:
    _, counts = read(tmp_path, *GOOD, {"text": "Let it snow.", "label": "songs"})
    assert counts.left_out == {"label seen once": 1}
    assert any(line.endswith("would judge them: songs") for line in counts.lines())


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "nothing is left"),
        ([GOOD[0], GOOD[3]], "only the label 'invoices' is left"),
        ([GOOD[0], GOOD[1]], r"nothing is left .*seen once: invoices, recipes"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(
    tmp_path: Path, lines: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, *lines)


def test_every_label_is_learnt_from_and_judged_by(tmp_path: Path) -> None:
    examples, _ = read(tmp_path, *make_rows(10), *make_rows(2, seed=9)[:2])
    learnt, judged = split_labelled(examples, held_out_share=0.2, seed=1)
    assert sorted([*learnt, *judged]) == list(range(len(examples)))
    assert {examples[n].label for n in learnt} == {examples[n].label for n in judged}
    assert len(judged) == 6


def test_texts_marked_for_judging_are_judged_by(tmp_path: Path) -> None:
    marked = [row | {"split": "dev"} for row in make_rows(1, seed=3)]
    examples, _ = read(tmp_path, *GOOD, *marked)
    _, judged = split_labelled(examples, held_out_share=0.2, seed=1)
    assert [examples[n].is_development for n in judged] == [True] * 3
    only_judged = [row | {"split": "dev"} if row["label"] == "recipes" else row for row in GOOD]
    examples, _ = read(tmp_path, *only_judged)
    with pytest.raises(DataError, match="nothing is left to learn recipes from"):
        split_labelled(examples, held_out_share=0.2, seed=1)
