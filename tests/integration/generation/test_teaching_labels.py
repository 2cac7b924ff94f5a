"""The command teaches topics over the real embedding model, in two languages."""

import json
import random
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import main as command_line
from app.wiring import build_embedder
from core.classifier import load_classifier, pool
from core.settings import load_settings
from generation.training.journal import read_rows
from tests.integration.generation.conftest import ModelFiles

pytestmark = pytest.mark.weights

_KINDS = {
    "invoices": ("invoice", "amount due", "bank account", "payment within 30 days", "tax number"),
    "recipes": ("flour", "butter", "bake in the oven", "stir the dough", "a pinch of salt"),
    "minutes": ("the meeting", "the chair opened", "was approved", "next session", "the agenda"),
}


def write_examples(path: Path) -> Path:
    chooser = random.Random(0)  # noqa: S311  # a test's text, no secret
    lines = []
    for label, said in _KINDS.items():
        for number in range(10):
            text = f"Page {number}: " + ", ".join(chooser.choices(said, k=4)) + "."
            lines.append(json.dumps({"text": text, "label": label}))
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_topics_are_learnt_and_told_in_another_language(
    tmp_path: Path, model_files: ModelFiles
) -> None:
    examples = write_examples(tmp_path / "labelled.jsonl")
    out = tmp_path / "topics"
    arguments = ["train", "classifier", "--examples", str(examples), "--out", str(out)]
    result = CliRunner().invoke(command_line, arguments)
    assert result.exit_code == 0, result.output
    rows = list(read_rows(out / "loss.csv"))
    metrics = [row.validation_metric for row in rows if row.validation_metric is not None]
    assert rows[-1].loss < 0.5 * rows[0].loss
    assert max(metrics) > 0.8

    classifier = load_classifier(out / "classifier.safetensors")
    embedder = build_embedder(load_settings(), num_threads=1)
    recipe = ["Mezclar la harina con la mantequilla y hornear la masa con una pizca de sal."]
    verdict = classifier.classify(pool(embedder.embed_passages(recipe)))
    assert verdict.label == "recipes"
