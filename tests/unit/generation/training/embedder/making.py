"""Questions whose passages share two words of theirs among many that say nothing."""

import random
from pathlib import Path
from typing import Any

from core.embedding import EmbedderSpec
from generation.training.embedder.options import EmbedderOptions
from generation.training.embedder.preparing import EmbeddingModel
from tests.unit.core.encoder_folder import D, write_folder
from tests.unit.generation.training.reader.making import write_rows

SPEC = EmbedderSpec("tiny", D, "query: ", "passage: ")
_KEYS = [f"w{number}" for number in range(30)]
_NOISE = [f"w{number}" for number in range(30, 60)]


def make_rows(number: int, *, seed: int = 0) -> list[dict[str, Any]]:
    """Passages with a question each; only what both have of the first thirty words tells which."""
    chooser = random.Random(seed)  # noqa: S311  # a test's text, no secret
    rows = []
    for _ in range(number):
        answer = " ".join(chooser.sample(_KEYS, 2))
        text = " ".join([*chooser.sample(_NOISE, 4), answer, *chooser.sample(_NOISE, 4)])
        question = " ".join([answer, *chooser.sample(_NOISE, 5)])
        row = {"question": question, "passages": [text], "answer": answer, "language": "en"}
        rows.append(row | {"source": "words", "licence": "CC0"})
    return rows


def prepare_folder(folder: Path, *, number: int = 240) -> EmbeddingModel:
    """A folder with `examples.jsonl` and an embedding model, ready for `embedder_options`."""
    write_rows(folder / "examples.jsonl", make_rows(number))
    write_folder(folder / "tiny")
    return EmbeddingModel(folder / "tiny", SPEC)


def embedder_options(folder: Path, **changes: object) -> EmbedderOptions:
    """Options of a short run."""
    values: dict[str, Any] = {
        "examples": folder / "examples.jsonl",
        "out": folder / "tuned",
        "window": 16,
        "batch_questions": 16,
        "held_out": 0.25,
        "lr": 1e-2,
        "steps": 120,
        "validations": 3,
        "dtype": "float32",
        "device": "cpu",
    }
    return EmbedderOptions(**(values | changes))
