"""A run learns to point, and what it writes points the same; resumed it gives the same."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import fmean

import pytest

from generation.errors import ModelUnusableError
from generation.extractor import Extractor
from generation.training.errors import DataError, DivergedError, OptionError
from generation.training.extractor.learning import train_extractor
from generation.training.journal import read_rows
from tests.unit.core.encoder_folder import write_folder
from tests.unit.generation.training.extractor.making import (
    extractor_options,
    make_rows,
    prepare_folder,
)
from tests.unit.generation.training.reader.making import write_rows
from tests.unit.generation.training.runs import assert_same_weights, losses_of, run_until_killed
from tests.unit.generation.training.texts import silent


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return prepare_folder(tmp_path)


def test_it_learns_to_point_and_what_is_written_points_the_same(base: Path, tmp_path: Path) -> None:
    outcome = train_extractor(extractor_options(tmp_path), base, report=silent)
    out = tmp_path / "extractor"
    rows = list(read_rows(out / "loss.csv"))
    assert rows[-1].loss < 0.7 * rows[0].loss
    assert fmean(outcome.after.shared) > 0.2 + fmean(outcome.before.shared)

    extractor = Extractor(out / "extractor.safetensors", base, num_threads=1)
    asked = [row for row in make_rows(40, seed=9) if row["answer"]]
    found = [extractor.point(row["question"], row["passages"])[0] for row in asked]
    right = [each.spans[0].text == row["answer"] for each, row in zip(found, asked, strict=True)]
    assert fmean(right) > 0.5
    card, data = (out / "README.md").read_text(), (out / "DATA.md").read_text()
    for fact in ("An extractor", "`tiny`", "95% interval", "cimiento train extractor"):
        assert fact in card
    assert "| words | CC0 |" in data


def test_a_run_that_is_killed_and_resumed_equals_one_that_was_not(
    base: Path, tmp_path: Path
) -> None:
    options = extractor_options(tmp_path, steps=6, out=tmp_path / "whole")
    train = partial(train_extractor, base=base)
    train(options, report=silent)
    killed = replace(options, out=tmp_path / "killed", resume=True)
    run_until_killed(train, killed, saved_after=2, killed_at=5)
    train(killed, report=silent)
    assert losses_of(tmp_path / "whole") == losses_of(tmp_path / "killed")
    assert_same_weights(*(tmp_path / at / "extractor.safetensors" for at in ("whole", "killed")))


def test_a_loss_that_is_no_number_stops_the_run_with_no_extractor(
    base: Path, tmp_path: Path
) -> None:
    with pytest.raises(DivergedError, match="try a lower --lr"):
        train_extractor(extractor_options(tmp_path, lr=1e30), base, report=silent)
    assert not (tmp_path / "extractor" / "extractor.safetensors").exists()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "holds nothing to learn from"),
        ([row | {"answer": None} for row in make_rows(9)], "is to be refused"),
        (make_rows(1), "too few passages"),
    ],
)
def test_too_little_to_learn_from_is_said(
    base: Path, tmp_path: Path, rows: list[dict[str, object]], message: str
) -> None:
    write_rows(tmp_path / "examples.jsonl", rows)
    with pytest.raises(DataError, match=message):
        train_extractor(extractor_options(tmp_path), base, report=silent)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("rank", 0),
        ("rank", 1000),
        ("window", 8),
        ("pass_tokens", 20),
        ("others", 1.5),
        ("batch_pairs", 0),
        ("device", "abacus"),
    ],
)
def test_a_value_out_of_range_is_refused_by_the_name_of_the_option(
    option: str, value: object
) -> None:
    with pytest.raises(OptionError, match="--" + option.replace("_", "-")):
        extractor_options(Path(), **{option: value})


def test_a_window_longer_than_the_model_reads_is_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--window: the model reads 24 tokens, not 40"):
        train_extractor(extractor_options(tmp_path, window=40), base, report=silent)


def test_an_extractor_beside_another_embedding_model_is_refused(base: Path, tmp_path: Path) -> None:
    train_extractor(extractor_options(tmp_path, steps=1), base, report=silent)
    file = tmp_path / "extractor" / "extractor.safetensors"
    other = tmp_path / "other"
    write_folder(other, max_tokens=20)
    weights = (other / "model.safetensors").read_bytes()
    (other / "model.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    with pytest.raises(ModelUnusableError, match="was trained on another embedding model"):
        Extractor(file, other, num_threads=1).load()
    with pytest.raises(ModelUnusableError, match="there is no adapter"):
        Extractor(tmp_path / "none.safetensors", base, num_threads=1)
    with pytest.raises(ModelUnusableError, match="train extractor' makes one"):
        Extractor(base / "model.safetensors", base, num_threads=1)
