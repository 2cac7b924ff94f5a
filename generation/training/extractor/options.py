"""What training an extractor can be told. Refuses what cannot work before any file is read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from generation.training.errors import OptionError
from generation.training.options import DEVICES, DTYPES, StepOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractorOptions(StepOptions):
    """The options of `cimiento train extractor`, named as they are there."""

    examples: Path
    rank: int = 32
    alpha: float = 64.0
    window: int = 384
    batch_pairs: int = 16
    pass_tokens: int = 2048
    others: float = 0.3
    lr: float = 4e-4
    warmup: int = 60
    weight_decay: float = 0.01
    rounds: float = 2.0
    validations: int = 8
    patience: int = 4
    dtype: str = "auto"
    device: str = "auto"

    def __post_init__(self) -> None:
        StepOptions.__post_init__(self)  # a class with slots is made anew: super() misses it
        self.require_positive("rank", "alpha", "batch_pairs", "rounds", "validations", "patience")
        self.require_choice("dtype", DTYPES)
        self.require_choice("device", DEVICES)
        if self.rank > 256:
            raise OptionError(f"--rank must be at most 256, got {self.rank}")
        if self.window < 16:
            raise OptionError(f"--window must be at least 16, got {self.window}")
        if self.pass_tokens < self.window:
            raise OptionError(
                f"--pass-tokens ({self.pass_tokens}) must hold a --window ({self.window})"
            )
        if not 0 <= self.others <= 1:
            raise OptionError(f"--others must be from 0 to 1, got {self.others}")


HELP: Final = {
    "out": "folder for the extractor; the run's state is kept in its folder 'training'",
    "examples": "file of JSON lines: question, passages, answer, as for a reader",
    "rank": "numbers between the two factors of every product",
    "alpha": "the factors' product is scaled by alpha / rank",
    "window": "tokens of a question and its passage; longer passages are cut",
    "batch_pairs": "pairs of a question and a passage in one optimizer step",
    "pass_tokens": "tokens of one forward pass; gradients are summed up to --batch-pairs",
    "others": "share of the answered questions that also meet a passage which does not answer",
    "steps": "end after so many optimizer steps",
    "minutes": "end after so many minutes of training",
    "rounds": "end after so many times through the pairs, unless --steps or --minutes say when",
    "lr": "peak learning rate",
    "warmup": "steps until the peak, at most a tenth of the run",
    "weight_decay": "of matrices",
    "held_out": 'share of the passages to judge by, where no line says "split": "dev"',
    "validations": "how often the development set is asked, over the run",
    "patience": "validations without a better metric before the run ends early",
    "checkpoint_minutes": "how often to save the run's state",
    "seed": "of first factors, split and order",
    "dtype": "of products: auto, float32 or bfloat16; what learns is kept in float32",
    "device": "auto, cpu or cuda",
    "resume": "go on from the last checkpoint in --out, or begin where there is none",
}
