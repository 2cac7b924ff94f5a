"""The command teaches a tiny model which of a passage's words a question asks for."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import main as command_line
from generation.training.journal import read_rows
from tests.unit.generation.training.reader.making import make_plain_rows, write_base, write_rows


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of a few steps."""
    folder = tmp_path_factory.mktemp("teaching")
    base = write_base(folder, width=64)
    examples = write_rows(folder / "examples.jsonl", make_plain_rows(40))
    result = CliRunner().invoke(
        command_line,
        [
            *("train", "reader", "--examples", str(examples), "--base", str(base)),
            *("--out", str(folder / "reader"), "--device", "cpu", "--held-out", "0.2"),
            *("--rank", "8", "--lr", "0.01", "--steps", "80"),
            *("--batch-tokens", "2048", "--validations", "8"),
        ],
    )
    assert result.exit_code == 0, result.output
    return folder / "reader"


def test_the_loss_falls_and_the_metric_rises(out: Path) -> None:
    rows = list(read_rows(out / "loss.csv"))
    metrics = [row.validation_metric for row in rows if row.validation_metric is not None]
    assert rows[-1].loss < 0.2 * rows[0].loss
    before = json.loads((out / "training" / "untrained.json").read_text())
    assert before["exact_answers"] == 0.0
    # what to write and when to refuse every run learns; which word of two, only some roundings do
    assert max(metrics) > 0.5


def test_it_writes_an_adapter_with_its_cards_and_curves(out: Path) -> None:
    written = {path.name for path in out.iterdir()}
    cards, curves = {"README.md", "DATA.md"}, {"loss.csv", "loss.svg", "metric.svg"}
    assert written == {"adapter.safetensors", "training", *cards, *curves}
