"""The command teaches a tiny embedding model to point at answers."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import main as command_line
from core.tuned_embedding import TUNED, TunedEmbedding
from generation.training.journal import read_rows
from tests.unit.generation.training.extractor.making import extractor_options, prepare_folder
from tests.unit.generation.training.runs import arguments_of


def test_the_loss_falls_the_metric_rises_and_an_extractor_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = prepare_folder(tmp_path)
    known = TunedEmbedding("none", 32, "query: ", "passage: ", 0.1, 0.1, 0.1, is_forced=False)
    (base / TUNED).write_text(json.dumps(asdict(known)), encoding="utf-8")
    monkeypatch.setenv("CIMIENTO_MODELS__DIR", str(tmp_path))
    monkeypatch.setenv("CIMIENTO_MODELS__EMBEDDING", base.name)
    arguments = arguments_of(extractor_options(tmp_path))
    result = CliRunner().invoke(command_line, ["train", "extractor", *arguments])
    assert result.exit_code == 0, result.output
    out = tmp_path / "extractor"
    rows = list(read_rows(out / "loss.csv"))
    assert rows[-1].loss < 0.7 * rows[0].loss
    metrics = [row.validation_metric for row in rows if row.validation_metric is not None]
    assert metrics[-1] > metrics[0]
    cards, curves = {"README.md", "DATA.md"}, {"loss.csv", "loss.svg", "metric.svg"}
    assert {path.name for path in out.iterdir()} >= {"extractor.safetensors"} | cards | curves
