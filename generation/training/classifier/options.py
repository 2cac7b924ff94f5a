"""What training a classifier can be told. Refuses what cannot work before any file is read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from generation.training.errors import OptionError
from generation.training.options import StepOptions

SUBJECTS: Final = ("documents", "questions")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierOptions(StepOptions):
    """The options of `cimiento train classifier`, named as they are there."""

    examples: Path
    name: str = "topic"
    subject: str = "documents"
    hidden: int = 0
    sure: float = 0.9
    batch_texts: int = 64
    lr: float = 1e-2
    warmup: int = 10
    weight_decay: float = 0.1
    held_out: float = 0.2
    rounds: float = 40.0
    validations: int = 20
    patience: int = 8

    def __post_init__(self) -> None:
        StepOptions.__post_init__(self)  # a class with slots is made anew: super() misses it
        self.require_positive("batch_texts", "rounds", "validations", "patience")
        self.require_natural("hidden")
        self.require_choice("subject", SUBJECTS)
        if not 0 < self.sure < 1:
            raise OptionError(f"--sure must be above 0 and below 1, got {self.sure}")
        if self.hidden > 4096:
            raise OptionError(f"--hidden must be at most 4096, got {self.hidden}")
        if not self.name.isidentifier() or len(self.name) > 32 or self.name != self.name.lower():
            raise OptionError(
                f"--name must be a word of at most 32 small letters, got {self.name!r}: labels are "
                "filtered by it"
            )


HELP: Final = {
    "out": "folder for the classifier; the run's state is kept in its folder 'training'",
    "examples": "file of JSON lines: text, label",
    "name": "what the labels are of, such as topic: labels are filtered by it",
    "subject": "documents, labelled as they come in, or questions, which are routed by it",
    "hidden": "width of a hidden layer; 0 is linear, and best for few texts",
    "sure": "share of labels that should be right where the classifier says that it is sure",
    "batch_texts": "texts of one optimizer step",
    "steps": "end after so many optimizer steps",
    "minutes": "end after so many minutes of training",
    "rounds": "end after so many times through the texts, unless --steps or --minutes say when",
    "lr": "peak learning rate",
    "warmup": "steps until the peak, at most a tenth of the run",
    "weight_decay": "of matrices",
    "held_out": 'share of every label to judge by, where no line says "split": "dev"',
    "validations": "how often the held-out texts are asked, over the run",
    "patience": "validations without a better macro-F1 before the run ends early",
    "checkpoint_minutes": "how often to save the run's state",
    "seed": "of first weights, split and order",
    "resume": "go on from the last checkpoint in --out, or begin where there is none",
}
