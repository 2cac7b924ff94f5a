"""Labelled texts that a small head tells apart within a second."""

import random
from pathlib import Path
from typing import Any

from generation.training.classifier.options import ClassifierOptions

_WORDS = {
    "invoices": "amount total tax payment invoice due account bank number client",
    "recipes": "flour butter oven sugar eggs bake minutes dough salt spoon",
    "letters": "dear regards sincerely weather visit summer family health wishes soon",
}
_ANY = ("the", "a", "of", "and", "to", "in", "for", "with", "on", "at", "by", "from")


def make_rows(number: int, *, seed: int = 0) -> list[dict[str, Any]]:
    """So many texts of each of three labels."""
    chooser = random.Random(seed)  # noqa: S311  # a test's text, no secret
    rows = []
    for place in range(number):
        for label, words in _WORDS.items():
            said = [chooser.choice(_ANY) for _ in range(12)] + chooser.choices(words.split(), k=6)
            chooser.shuffle(said)
            text = " ".join([*said, f"{label[0]}{place}"])
            rows.append({"text": text, "label": label, "source": "words", "licence": "CC0"})
    return rows


def classifier_options(folder: Path, **changes: object) -> ClassifierOptions:
    """Options of a short run in `folder`, where `examples.jsonl` is."""
    values: dict[str, Any] = {
        "examples": folder / "examples.jsonl",
        "out": folder / "topics",
        "batch_texts": 16,
        "rounds": 20.0,
        "validations": 5,
    }
    return ClassifierOptions(**(values | changes))
