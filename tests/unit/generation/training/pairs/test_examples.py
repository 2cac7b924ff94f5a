"""Every line becomes a pair, or is left out and counted under its reason."""

from pathlib import Path
from typing import Any

import pytest

from generation.reading import REFUSALS
from generation.training.errors import DataError
from generation.training.pairs.examples import Pair, PairCounts, read_pairs
from generation.training.reader.examples import split_development
from tests.unit.generation.training.pairs.making import make_pair_rows
from tests.unit.generation.training.reader.making import write_rows

GOOD: dict[str, Any] = {
    "question": "Where is it?",
    "passages": ["It is in the Old Town."],
    "chosen": "In the Old Town.",
    "rejected": "In the harbour, it is.",
}
OTHER = GOOD | {"question": "Where was it?"}


def read(tmp_path: Path, *lines: object) -> tuple[list[Pair], PairCounts]:
    path = write_rows(tmp_path / "pairs.jsonl", lines)
    counts = PairCounts()
    return read_pairs(path, counts), counts


def test_a_reply_that_is_null_is_the_refusal_that_a_reader_is_taught(tmp_path: Path) -> None:
    refused = {"chosen": None, "question": "¿Quién lo hizo?", "lang": "es"}
    (pair, other), _ = read(tmp_path, GOOD | refused, OTHER)
    assert pair.chosen == REFUSALS["es"]
    assert (other.chosen, other.rejected) == ("In the Old Town.", "In the harbour, it is.")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{", "not JSON"),
        ([1], "not an object"),
        (GOOD | {"question": " "}, "without a question or passages"),
        (GOOD | {"passages": []}, "without a question or passages"),
        (GOOD | {"passages": [1]}, "without a question or passages"),
        (GOOD | {"chosen": "  "}, "without two replies"),
        (GOOD | {"rejected": 5}, "without two replies"),
        ({"question": "?", "passages": ["x"], "chosen": "a"}, "without two replies"),
        (GOOD | {"rejected": "in the  OLD town."}, "both replies the same"),
    ],
)
def test_a_line_that_is_no_pair_is_left_out_under_its_reason(
    tmp_path: Path, bad: object, reason: str
) -> None:
    pairs, counts = read(tmp_path, OTHER, bad)
    assert [pair.question for pair in pairs] == ["Where was it?"]
    assert counts.left_out == {reason: 1}


def test_a_pair_said_twice_counts_once_and_one_said_both_ways_not_at_all(tmp_path: Path) -> None:
    turned = GOOD | {"chosen": GOOD["rejected"], "rejected": GOOD["chosen"]}
    pairs, counts = read(tmp_path, GOOD, GOOD, turned, OTHER, OTHER)
    assert [pair.question for pair in pairs] == ["Where was it?"]
    assert counts.left_out == {"contradicts another": 3, "said before": 1}


def test_nothing_to_learn_from_is_said_with_what_became_of_the_lines(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"no pair to learn from\. 1 lines were read; left out: not"
    ):
        read(tmp_path, "{")
    with pytest.raises(DataError, match="0 lines were read"):
        read(tmp_path)


def test_what_length_alone_would_tell_is_said(tmp_path: Path) -> None:
    longer = [GOOD | {"question": f"Where is {n}?", "rejected": "No."} for n in range(40)]
    _, counts = read(tmp_path, *longer)
    assert any("the longer reply is the chosen one in 100%" in line for line in counts.lines())
    mixed = [
        row if place % 2 else row | {"chosen": row["rejected"], "rejected": row["chosen"]}
        for place, row in enumerate(longer)
    ]
    _, counts = read(tmp_path, *mixed)
    assert not any("longer reply" in line for line in counts.lines())


def test_passages_that_are_judged_by_are_not_learnt_from(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "pairs.jsonl", make_pair_rows(10))
    pairs = read_pairs(path, PairCounts())
    learnt, judged = split_development(pairs, held_out_share=0.3, seed=0)
    assert len(judged) == 9
    assert not {pair.passages for pair in learnt} & {pair.passages for pair in judged}
