"""What fine-tuning a reader can be told. Refuses what cannot work before any file is read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from generation.training.errors import OptionError
from generation.training.options import TrainingOptions, build_parser

METHODS: Final = ("lora", "full")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderOptions(TrainingOptions):
    """The options of `cimiento train reader`, named as they are there."""

    examples: Path
    base: Path
    adapter: Path | None = None
    method: str = "lora"
    rank: int = 32
    alpha: float = 64.0
    prompt: str = "direct"
    window: int = 1024
    batch_tokens: int = 4096
    lr: float = 5e-4
    warmup: int = 20
    weight_decay: float = 0.01
    rounds: float = 2.0
    validations: int = 20
    patience: int = 5
    recompute: bool = False
    encode_only: bool = False

    def __post_init__(self) -> None:
        TrainingOptions.__post_init__(self)  # a class with slots is made anew: super() misses it
        self.require_positive("rank", "alpha", "window", "rounds", "validations", "patience")
        self.require_choice("method", METHODS)
        if self.window < 64:
            raise OptionError(f"--window must be at least 64, got {self.window}")
        if self.rank > 1024:
            raise OptionError(f"--rank must be at most 1024, got {self.rank}")
        if self.adapter is not None and self.method != "lora":
            raise OptionError("--adapter: only --method lora goes on from one")
        if self.encode_only and self.resume:
            raise OptionError("--encode-only: there is nothing to --resume before a first step")


HELP: Final = {
    "out": "folder for what is learnt; the run's state is kept in its folder 'training'",
    "examples": "file of JSON lines: question, passages, answer",
    "base": "GGUF file or checkpoint folder of the model that learns to read",
    "adapter": "what an earlier run learnt, to begin from; of the same --rank",
    "method": "lora: low-rank factors, an adapter; full: all weights, a model folder",
    "rank": "numbers between the two factors of every product",
    "alpha": "the factors' product is scaled by alpha / rank",
    "prompt": "the template that the service asks with, as name or name@version",
    "window": "tokens of the longest example; longer ones are left out",
    "batch_tokens": "tokens of one optimizer step",
    "pass_tokens": "tokens of one forward pass; gradients are summed up to --batch-tokens",
    "steps": "end after so many optimizer steps",
    "minutes": "end after so many minutes of training",
    "rounds": "end after so many times through the examples, unless --steps or --minutes say when",
    "lr": "peak learning rate; 1e-4 is good for full",
    "warmup": "steps until the peak, at most a tenth of the run",
    "weight_decay": "of matrices",
    "held_out": 'share of the passages to judge by, where no line says "split": "dev"',
    "validations": "how often the development set is asked, over the run",
    "patience": "validations without a better metric before the run ends early",
    "recompute": "keep less of a forward pass and compute it again: slower, in little memory",
    "encode_only": "encode the examples and end: a bare machine goes on from there",
    "checkpoint_minutes": "how often to save the run's state",
    "seed": "of first factors, split and order",
    "dtype": "of products: auto, float32 or bfloat16; what learns is kept in float32",
    "device": "auto, cpu or cuda",
    "resume": "go on from the last checkpoint in --out, or begin where there is none",
}


def parse_options(arguments: Sequence[str] | None, *, program: str | None = None) -> ReaderOptions:
    """Options from the command line. Ends the process for --help and for unknown options."""
    purpose = "Teach a model to answer from passages, in their words, and to refuse."
    return ReaderOptions(
        **vars(build_parser(ReaderOptions, HELP, program, purpose).parse_args(arguments))
    )
