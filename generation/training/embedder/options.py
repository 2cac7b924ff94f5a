"""What tuning the embedding model can be told. Refuses what cannot work before any file is read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from generation.training.errors import OptionError
from generation.training.options import DEVICES, DTYPES, StepOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderOptions(StepOptions):
    """The options of `cimiento train embedder`, named as they are there."""

    examples: Path
    negatives: int = 4
    temperature: float = 0.05
    window: int = 192
    batch_questions: int = 32
    lr: float = 2e-5
    warmup: int = 20
    weight_decay: float = 0.01
    held_out: float = 0.1
    rounds: float = 2.0
    validations: int = 5
    patience: int = 3
    dtype: str = "auto"
    device: str = "auto"
    force: bool = False

    def __post_init__(self) -> None:
        StepOptions.__post_init__(self)  # a class with slots is made anew: super() misses it
        self.require_positive("temperature", "rounds", "validations", "patience")
        self.require_natural("negatives")
        self.require_choice("dtype", DTYPES)
        self.require_choice("device", DEVICES)
        if self.batch_questions < 2:
            raise OptionError("--batch-questions must be at least 2: passages of others mislead")
        if self.window < 8:
            raise OptionError(f"--window must be at least 8, got {self.window}")


HELP: Final = {
    "out": "folder for the model, best below that of the pulled models, under a name of its own",
    "examples": "file of JSON lines: question, passages, answer, as for a reader",
    "negatives": "passages for every question that look right to the model and are not",
    "temperature": "similarities are divided by it: the lower, the harder negatives count",
    "window": "tokens of a text that are read",
    "batch_questions": "questions of one optimizer step; the passages of all of them mislead each",
    "steps": "end after so many optimizer steps",
    "minutes": "end after so many minutes of training",
    "rounds": "end after so many times through the questions, unless --steps or --minutes say when",
    "lr": "peak learning rate",
    "warmup": "steps until the peak, at most a tenth of the run",
    "weight_decay": "of matrices",
    "held_out": 'share of the passages whose questions judge, where no line says "split": "dev"',
    "validations": "how often the held-out questions are asked, over the run",
    "patience": "validations without a better nDCG before the run ends early",
    "checkpoint_minutes": "how often to save the run's state",
    "seed": "of split and order",
    "dtype": "of products: auto, float32 or bfloat16; what learns is kept in float32",
    "device": "auto, cpu or cuda",
    "force": "write the model even where no gain was measured",
    "resume": "go on from the last checkpoint in --out, or begin where there is none",
}
