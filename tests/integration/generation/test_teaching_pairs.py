"""The commands teach a tiny model from pairs which of two replies is better."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import main as command_line
from core.settings import GenerationSettings
from generation.local import LocalGenerator
from generation.reading import REFUSALS
from generation.training.journal import Row, read_rows
from generation.training.pairs.examples import PairCounts, read_pairs
from generation.types import Message
from tests.integration.generation.conftest import ModelFiles
from tests.unit.generation.training.pairs.making import make_pair_rows
from tests.unit.generation.training.reader.making import write_base, write_rows

RESULTS = {"preference": "adapter.safetensors", "reward": "reward.safetensors"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    write_base(folder, width=64)
    write_rows(folder / "pairs.jsonl", make_pair_rows(20))
    return folder


def train(folder: Path, task: str, *, out: str, steps: int) -> list[Row]:
    arguments = [
        *("train", task, "--examples", str(folder / "pairs.jsonl")),
        *("--base", str(folder / "base"), "--out", str(folder / out), "--device", "cpu"),
        *("--dtype", "float32", "--held-out", "0.2", "--rank", "8", "--lr", "0.01"),
        *("--batch-tokens", "1024", "--validations", "4", "--steps", str(steps)),
    ]
    result = CliRunner().invoke(command_line, arguments)
    assert result.exit_code == 0, result.output
    return list(read_rows(folder / out / "loss.csv"))


@pytest.mark.parametrize("task", RESULTS)
def test_the_loss_falls_and_the_metric_rises(folder: Path, task: str) -> None:
    rows = train(folder, task, out=task, steps=30)
    metrics = [row.validation_metric for row in rows if row.validation_metric is not None]
    assert rows[0].loss == pytest.approx(0.6931, abs=1e-3)  # a coin's
    assert rows[-1].loss < 0.7 * rows[0].loss
    assert max(metrics) > 0.9
    written = {path.name for path in (folder / task).iterdir()}
    cards, curves = {"README.md", "DATA.md"}, {"loss.csv", "loss.svg", "metric.svg"}
    assert written == {RESULTS[task], "training", *cards, *curves}


def test_a_preference_makes_the_model_find_the_better_reply_likelier(folder: Path) -> None:
    train(folder, "preference", out="served", steps=30)
    prompt = [Message("user", "What colour is it?")]
    gains = []
    for adapter in (None, folder / "served" / "adapter.safetensors"):
        settings = GenerationSettings(max_context=512)
        generator = LocalGenerator(folder / "base", settings, model="tiny", adapter=adapter)
        try:
            red, blue = generator.score(prompt, ["red", "blue"])
        finally:
            generator.close()
        gains.append(red - blue)
    assert gains[1] > gains[0] + 1.0


@pytest.mark.weights
def test_the_models_own_drafts_become_pairs_to_learn_from(
    tmp_path: Path, model_files: ModelFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIMIENTO_GENERATION__MAX_TOKENS", "16")
    passages = [{"name": "pool.txt", "text": "The pool opens at nine. Dogs are not allowed."}]
    rows: list[dict[str, Any]] = [
        {"question": "When does the pool open?", "passages": passages, "answer": "nine"},
        {"question": "Who built the pool?", "passages": passages, "answer": None},
    ]
    examples = write_rows(tmp_path / "examples.jsonl", rows)
    out = tmp_path / "pairs.jsonl"
    arguments = ["train", "pairs", "--examples", str(examples), "--out", str(out)]
    result = CliRunner().invoke(command_line, [*arguments, "--samples", "3"])
    assert result.exit_code == 0, result.output
    assert "2 questions gave" in result.output
    # to a question without an answer an untrained model says something, and should not have
    (pair,) = [pair for pair in read_pairs(out, PairCounts()) if pair.question.startswith("Who")]
    assert pair.chosen == REFUSALS["en"]
