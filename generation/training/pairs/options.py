"""What learning from pairs can be told. Refuses what cannot work before any file is read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from generation.training.tuning import TUNING_HELP, TuningOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class PairOptions(TuningOptions):
    """What both trainings that learn from pairs can be told.

    adapter: merged into the base, so that what is learnt comes on top of it.
    """

    adapter: Path | None = None
    rank: int = 16
    alpha: float = 32.0
    lr: float = 1e-4
    rounds: float = 1.0
    held_out: float = 0.1
    validations: int = 10


PAIR_HELP: Final = TUNING_HELP | {
    "examples": "file of JSON lines: question, passages, chosen, rejected",
    "base": "GGUF file or checkpoint folder of the model that learns",
    "adapter": "file of an adapter of that model to begin from, such as a reader's",
}
