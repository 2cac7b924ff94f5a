"""Passages that say a word behind a key, and questions that name a key of theirs or of none."""

import random
from pathlib import Path
from typing import Any

from generation.training.extractor.options import ExtractorOptions
from tests.unit.core.encoder_folder import POSITIONS, write_folder
from tests.unit.generation.training.reader.making import write_rows

_KEYS = [f"w{number}" for number in range(6)]
_ANSWERS = [f"w{number}" for number in range(20, 40)]
_NOISE = [f"w{number}" for number in range(40, 60)]


def make_rows(number: int, *, seed: int = 0) -> list[dict[str, Any]]:
    """So many passages, each with a question that it answers and one that it does not."""
    chooser = random.Random(seed)  # noqa: S311  # a test's text, no secret
    rows = []
    for _ in range(number):
        key, other = chooser.sample(_KEYS, 2)
        answer = chooser.choice(_ANSWERS)
        before, after = chooser.sample(_NOISE, 3), chooser.sample(_NOISE, 3)
        passage = " ".join([*before, key, answer, *after])
        for asked, words in ((key, answer), (other, None)):
            row = {"question": asked, "passages": [passage], "answer": words, "language": "en"}
            rows.append(row | {"source": "words", "licence": "CC0"})
    return rows


def prepare_folder(folder: Path, *, number: int = 300) -> Path:
    """A folder with `examples.jsonl`, and the embedding model in it, for `extractor_options`."""
    write_rows(folder / "examples.jsonl", make_rows(number))
    write_folder(folder / "tiny")
    return folder / "tiny"


def extractor_options(folder: Path, **changes: object) -> ExtractorOptions:
    """Options of a short run."""
    values: dict[str, Any] = {
        "examples": folder / "examples.jsonl",
        "out": folder / "extractor",
        "window": POSITIONS,
        "pass_tokens": 1024,
        "batch_pairs": 32,
        "rank": 16,
        "alpha": 32.0,
        "held_out": 0.2,
        "lr": 1e-2,
        "warmup": 10,
        "steps": 150,
        "validations": 2,
        "dtype": "float32",
        "device": "cpu",
    }
    return ExtractorOptions(**(values | changes))
