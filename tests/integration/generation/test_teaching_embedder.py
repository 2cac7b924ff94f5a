"""The command tunes a tiny embedding model until questions find their passages better."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import main as command_line
from core.tuned_embedding import TUNED, TunedEmbedding
from generation.training.journal import read_rows
from tests.unit.generation.training.embedder.making import prepare_folder


def test_the_loss_falls_the_metric_rises_and_a_model_folder_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = prepare_folder(tmp_path).folder
    known = TunedEmbedding("none", 32, "query: ", "passage: ", 0.1, 0.1, 0.1, is_forced=False)
    (base / TUNED).write_text(json.dumps(asdict(known)), encoding="utf-8")
    monkeypatch.setenv("CIMIENTO_MODELS__DIR", str(tmp_path))
    monkeypatch.setenv("CIMIENTO_MODELS__EMBEDDING", base.name)
    out = tmp_path / "tuned"
    result = CliRunner().invoke(
        command_line,
        [
            *("train", "embedder", "--examples", str(tmp_path / "examples.jsonl")),
            *("--out", str(out), "--device", "cpu", "--dtype", "float32", "--window", "16"),
            *("--batch-questions", "16", "--held-out", "0.25", "--lr", "0.01"),
            *("--steps", "120", "--validations", "3"),
        ],
    )
    assert result.exit_code == 0, result.output
    rows = list(read_rows(out / "loss.csv"))
    assert rows[-1].loss < 0.7 * rows[0].loss
    written = {path.name for path in out.iterdir()}
    cards, curves = {"README.md", "DATA.md"}, {"loss.csv", "loss.svg", "metric.svg"}
    model = {"model.safetensors", "config.json", "tokenizer.json", "1_Pooling", TUNED}
    assert written >= model | cards | curves
    tuned = TunedEmbedding(**json.loads((out / TUNED).read_text()))
    assert (tuned.base, tuned.is_forced) == (base.name, False)
    assert tuned.gain_low > 0
