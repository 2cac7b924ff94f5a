"""Small folders of text to learn from, and a run short enough for a unit test."""

import json
import random
from pathlib import Path

from generation.training.options import BaseOptions
from generation.training.vocabulary import train_tokenizer

_WORDS = (
    "the cat sat on a mat while every engine in the old house was counting pages and reading "
    "letters from people who never wrote back because winter had closed all roads to the river"
)


def silent(line: str) -> None:
    """Somebody who does not want to know."""


def write_text(*, seed: int, num_words: int = 150) -> str:
    """Words in random order: no two seeds are near duplicates."""
    chooser = random.Random(seed)  # noqa: S311  # a test's text, no secret
    known = _WORDS.split()
    words = [chooser.choice(known) for _ in range(num_words)]
    sentences = [" ".join(words[at : at + 9]).capitalize() for at in range(0, num_words, 9)]
    return ". ".join(sentences) + ".\n"


def write_corpus(folder: Path, *, num_documents: int = 12) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(num_documents - 2):
        (folder / f"{number:02}.txt").write_text(write_text(seed=number), encoding="utf-8")
    lines = [json.dumps({"text": write_text(seed=100 + number)}) for number in range(2)]
    (folder / "more.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def write_tokenizer(folder: Path, data: Path, *, vocab_size: int = 300) -> Path:
    train_tokenizer(data, folder, vocab_size=vocab_size, report=silent)
    return folder


def tiny_options(folder: Path, **changes: object) -> BaseOptions:
    """Options of a run in `folder`, where `data` and `tokenizer` are."""
    values: dict[str, object] = {
        "data": folder / "data",
        "tokenizer": folder / "tokenizer",
        "out": folder / "model",
        "layers": 2,
        "width": 32,
        "heads": 4,
        "kv_heads": 2,
        "d_ff": 48,
        "context": 32,
        "batch_tokens": 128,
        "pass_tokens": 64,
        "steps": 6,
        "dtype": "float32",
        "device": "cpu",
    }
    return BaseOptions(**(values | changes))  # type: ignore[arg-type]  # names are checked above


def prepare_folder(folder: Path) -> Path:
    """A folder with `data` and `tokenizer`, ready for `tiny_options`."""
    write_tokenizer(folder / "tokenizer", write_corpus(folder / "data"))
    return folder
