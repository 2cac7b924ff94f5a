"""What fine-tuning a reader can be told. Refuses what cannot work before any file is read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from generation.training.errors import OptionError
from generation.training.options import build_parser
from generation.training.tuning import TUNING_HELP, TuningOptions

METHODS: Final = ("lora", "full")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderOptions(TuningOptions):
    """The options of `cimiento train reader`, named as they are there."""

    adapter: Path | None = None
    method: str = "lora"
    plain: Path | None = None
    plain_weight: float = 1.0
    encode_only: bool = False

    def __post_init__(self) -> None:
        TuningOptions.__post_init__(self)  # a class with slots is made anew: super() misses it
        self.require_choice("method", METHODS)
        if self.adapter is not None and self.method != "lora":
            raise OptionError("--adapter: only --method lora goes on from one")
        if self.plain is not None and self.method != "lora":
            raise OptionError("--plain: only --method lora keeps the model that it is held to")
        self.require_positive("plain_weight")
        if self.encode_only and self.resume:
            raise OptionError("--encode-only: there is nothing to --resume before a first step")


HELP: Final = TUNING_HELP | {
    "examples": "file of JSON lines: question, passages, answer",
    "base": "GGUF file or checkpoint folder of the model that learns to read",
    "adapter": "what an earlier run learnt, to begin from; of the same --rank",
    "method": "lora: low-rank factors, an adapter; full: all weights, a model folder",
    "plain": "text to go on foretelling as before, .txt, .md or .jsonl; a piece beside every step",
    "plain_weight": "what forgetting it costs, against the loss of the replies",
    "lr": "peak learning rate; 1e-4 is good for full",
    "encode_only": "encode the examples and end: a bare machine goes on from there",
}


def parse_options(arguments: Sequence[str] | None, *, program: str | None = None) -> ReaderOptions:
    """Options from the command line. Ends the process for --help and for unknown options."""
    purpose = "Teach a model to answer from passages, in their words, and to refuse."
    return ReaderOptions(
        **vars(build_parser(ReaderOptions, HELP, program, purpose).parse_args(arguments))
    )
