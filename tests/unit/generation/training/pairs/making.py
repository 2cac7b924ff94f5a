"""Pairs that a tiny model can learn to tell apart within seconds."""

from pathlib import Path
from typing import Any

from generation.training.pairs.options import PairOptions
from generation.training.pairs.preference import PreferenceOptions

_REPLIES = (("red", "blue"), ("red roses", "blue roses"), ("it is red", "it is blue"))


def make_pair_rows(number: int) -> list[dict[str, Any]]:
    """So many passages, each with three pairs of which the reply that says red is the better."""
    rows = []
    for place in range(number):
        passages = [{"name": f"yard {place}", "text": f"Yard {place}: red roses, blue doors."}]
        for chosen, rejected in _REPLIES:
            row = {"question": "What colour is it?", "passages": passages, "language": "en"}
            rows.append(row | {"chosen": chosen, "rejected": rejected, "source": "yards"})
    return rows


def _values(folder: Path, **changes: object) -> dict[str, Any]:
    """Options of a short run in `folder`, where `base` and `examples.jsonl` are."""
    values: dict[str, Any] = {
        "examples": folder / "examples.jsonl",
        "base": folder / "base",
        "out": folder / "learnt",
        "rank": 4,
        "alpha": 8.0,
        "lr": 1e-2,
        "batch_tokens": 1200,
        "pass_tokens": 1200,
        "held_out": 0.25,
        "steps": 4,
        "validations": 2,
        "dtype": "float32",
        "device": "cpu",
    }
    return values | changes


def reward_options(folder: Path, **changes: object) -> PairOptions:
    return PairOptions(**_values(folder, **changes))


def preference_options(folder: Path, **changes: object) -> PreferenceOptions:
    return PreferenceOptions(**_values(folder, **changes))
