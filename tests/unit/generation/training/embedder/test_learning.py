"""A run gains, and is written; one that gained nothing is not; resumed it gives the same."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import fmean

import pytest

from app.finding_models import find_embedding_model
from app.wiring import build_embedder
from core.errors import CimientoError, SettingsError
from core.settings import ModelSettings, Settings
from core.tuned_embedding import TUNED
from generation.training.embedder.learning import tune_embedder
from generation.training.embedder.preparing import EmbeddingModel
from generation.training.errors import DataError, DivergedError, OptionError
from generation.training.journal import read_rows
from tests.unit.generation.training.embedder.making import (
    embedder_options,
    make_rows,
    prepare_folder,
)
from tests.unit.generation.training.reader.making import write_rows
from tests.unit.generation.training.runs import (
    assert_same_weights,
    losses_of,
    run_until_killed,
)
from tests.unit.generation.training.texts import silent


@pytest.fixture
def base(tmp_path: Path) -> EmbeddingModel:
    return prepare_folder(tmp_path)


def test_questions_find_their_passages_better_and_the_service_takes_the_model(
    base: EmbeddingModel, tmp_path: Path
) -> None:
    outcome = tune_embedder(embedder_options(tmp_path), base, report=silent)
    rows = list(read_rows(tmp_path / "tuned" / "loss.csv"))
    assert rows[-1].loss < 0.7 * rows[0].loss
    assert outcome.has_gained
    assert fmean(outcome.after.ndcg) > fmean(outcome.before.ndcg)
    out = tmp_path / "tuned"
    card, data = (out / "README.md").read_text(), (out / "DATA.md").read_text()
    for fact in ("beyond chance", "95% interval", "`tiny`", "cimiento train embedder"):
        assert fact in card
    assert "| words | CC0 | 240 |" in data

    settings = Settings(data_dir=tmp_path, models=ModelSettings(dir=tmp_path, embedding="tuned"))
    folder, spec = find_embedding_model(settings)
    assert (folder, spec.model, spec.query_prefix) == (out, "tuned", "query: ")
    assert build_embedder(settings, num_threads=1).embed_queries(["w1 w2"]).shape == (1, 32)


def test_a_model_that_gained_nothing_is_not_written_unless_forced(
    base: EmbeddingModel, tmp_path: Path
) -> None:
    options = embedder_options(tmp_path, lr=1e-30, steps=2)
    with pytest.raises(DataError, match="which may be chance, so no model was written"):
        tune_embedder(options, base, report=silent)
    out = tmp_path / "tuned"
    assert "no gain beyond chance" in (out / "README.md").read_text()
    settings = Settings(data_dir=tmp_path, models=ModelSettings(dir=tmp_path, embedding="tuned"))
    with pytest.raises(CimientoError):
        find_embedding_model(settings)

    tune_embedder(replace(options, resume=True, force=True), base, report=silent)
    assert find_embedding_model(settings)[1].model == "tuned"
    tuned = json.loads((out / TUNED).read_text())
    assert tuned["is_forced"]
    (out / TUNED).write_text(json.dumps(tuned | {"is_forced": False}))
    with pytest.raises(SettingsError, match="no gain over tiny was measured"):
        find_embedding_model(settings)
    (out / TUNED).write_text("{")
    with pytest.raises(SettingsError, match="is damaged"):
        find_embedding_model(settings)


def test_a_run_that_is_killed_and_resumed_equals_one_that_was_not(
    base: EmbeddingModel, tmp_path: Path
) -> None:
    options = embedder_options(tmp_path, steps=6, force=True, out=tmp_path / "whole")
    tune = partial(tune_embedder, base=base)
    tune(options, report=silent)
    killed = replace(options, out=tmp_path / "killed", resume=True)
    run_until_killed(tune, killed, saved_after=2, killed_at=5)
    tune(killed, report=silent)
    assert losses_of(tmp_path / "whole") == losses_of(tmp_path / "killed")
    assert_same_weights(*(tmp_path / at / "model.safetensors" for at in ("whole", "killed")))


def test_a_loss_that_is_no_number_stops_the_run_with_no_model(
    base: EmbeddingModel, tmp_path: Path
) -> None:
    options = embedder_options(tmp_path, lr=1e30, validations=1)
    with pytest.raises(DivergedError, match="try a lower --lr"):
        tune_embedder(options, base, report=silent)
    assert not (tmp_path / "tuned" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "holds nothing to learn from"),
        (make_rows(1), "with one there is nothing to find"),
        ([row | {"answer": None} for row in make_rows(9)], "is to be refused"),
    ],
)
def test_too_little_to_learn_from_is_said(
    base: EmbeddingModel, tmp_path: Path, rows: list[dict[str, object]], message: str
) -> None:
    write_rows(tmp_path / "examples.jsonl", rows)
    with pytest.raises(DataError, match=message):
        tune_embedder(embedder_options(tmp_path), base, report=silent)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("batch_questions", 1),
        ("window", 4),
        ("negatives", -1),
        ("temperature", 0.0),
        ("device", "abacus"),
    ],
)
def test_a_value_out_of_range_is_refused_by_the_name_of_the_option(
    option: str, value: object
) -> None:
    with pytest.raises(OptionError, match="--" + option.replace("_", "-")):
        embedder_options(Path(), **{option: value})


def test_a_window_longer_than_the_model_reads_is_refused(
    base: EmbeddingModel, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match="--window: the model reads 24 tokens, not 40"):
        tune_embedder(embedder_options(tmp_path, window=40), base, report=silent)
