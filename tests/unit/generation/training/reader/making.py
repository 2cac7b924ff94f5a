"""A tiny chat model as a folder, and examples that it can learn within seconds."""

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from generation.engine.model import Transformer
from generation.training.export import export_model
from generation.training.reader.groups import Branch, Group
from generation.training.reader.options import ReaderOptions
from tests.unit.generation.training.texts import tiny_options, write_corpus, write_tokenizer

_COLOURS = ("red", "blue", "green", "grey")
_THINGS = ("roses", "doors", "boats", "coats", "walls", "birds")


def write_base(folder: Path, *, width: int = 32, seed: int = 0) -> Path:
    """A chat model that has learnt nothing, with its tokenizer."""
    tokenizer = write_tokenizer(folder / "tokenizer", write_corpus(folder / "data"))
    options = tiny_options(folder, width=width, context=1024, batch_tokens=1024, pass_tokens=1024)
    vocab_size = len(json.loads((tokenizer / "tokenizer.json").read_text())["model"]["vocab"])
    model = Transformer(options.build_config(vocab_size))
    model.init_weights(seed=seed, std=0.3)  # far from zero, so that few factors change much
    base = folder / "base"
    base.mkdir()
    export_model(model, tokenizer, base, dtype=torch.float32)
    return base


def make_rows(number: int, *, seed: int = 0) -> list[dict[str, Any]]:
    """So many passages, each with two questions that it answers and one that it does not."""
    chooser = random.Random(seed)  # noqa: S311  # a test's text, no secret
    rows = []
    for place in range(number):
        first, second, other = chooser.sample(_THINGS, 3)
        one, two = chooser.sample(_COLOURS, 2)
        text = f"House {place} has {one} {first} and {two} {second}."
        passages = [{"name": f"house {place}", "text": text}]
        for asked, answer in ((first, one), (second, two), (other, None)):
            question = f"What colour are the {asked}?"
            rows.append(
                {
                    "question": question,
                    "passages": passages,
                    "answer": answer,
                    "language": "en",
                    "source": "houses",
                    "licence": "CC0",
                }
            )
    return rows


def make_plain_rows(number: int) -> list[dict[str, Any]]:
    """Questions whose answer is always the same word: what to write is soon learnt."""
    rows = []
    for place in range(number):
        passages = [{"name": f"yard {place}", "text": f"Yard {place}: red roses, blue doors."}]
        for asked, answer in (("roses", "red"), ("doors", "blue"), ("boats", None)):
            row = {"question": f"What colour are the {asked}?", "passages": passages}
            rows.append(row | {"answer": answer, "language": "en"})
    return rows


def write_rows(path: Path, rows: Iterable[object]) -> Path:
    """A file of JSON, a line each; a string is a line as it stands."""
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def reader_options(folder: Path, **changes: object) -> ReaderOptions:
    """Options of a short run in `folder`, where `base` and `examples.jsonl` are."""
    values: dict[str, object] = {
        "examples": folder / "examples.jsonl",
        "base": folder / "base",
        "out": folder / "reader",
        "rank": 4,
        "alpha": 8.0,
        "batch_tokens": 1200,
        "pass_tokens": 1200,
        "held_out": 0.25,
        "steps": 4,
        "validations": 2,
        "dtype": "float32",
        "device": "cpu",
    }
    return ReaderOptions(**(values | changes))  # type: ignore[arg-type]  # checked by the class


def make_group(shared: list[int], *branches: tuple[list[int], int]) -> Group:
    """A group of these tokens; of each branch how many are its reply."""
    return Group(
        np.array(shared, np.int32),
        tuple(Branch(np.array(ids, np.int32), n, is_refusal=False) for ids, n in branches),
    )
