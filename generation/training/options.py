"""What a training run can be told. Refuses what cannot work before any file is read."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from generation.engine.config import ModelConfig
from generation.engine.errors import ModelConfigError
from generation.training.corpus import MIN_CHARS
from generation.training.errors import OptionError

DTYPES: Final = ("auto", "float32", "bfloat16")
DEVICES: Final = ("auto", "cpu", "cuda")
# a resumed run may be given more time, another card or another pace of saving, and what it made may
# be written all the same; nothing else
_FREE_ON_RESUME: Final = frozenset(
    {"resume", "steps", "minutes", "device", "checkpoint_minutes", "force"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOptions:
    """What every run of steps can be told. OptionError names the option at fault."""

    out: Path
    steps: int | None = None  # None, and no minutes either: once through the data
    minutes: float | None = None
    lr: float = 1e-3
    warmup: int = 100  # at most a tenth of the run
    weight_decay: float = 0.1
    held_out: float = 0.05
    checkpoint_minutes: float = 10.0
    seed: int = 0
    resume: bool = False

    def __post_init__(self) -> None:
        self.require_positive("steps", "minutes", "lr", "checkpoint_minutes")
        self.require_natural("seed", "weight_decay", "warmup")
        if not 0 < self.held_out <= 0.5:
            raise OptionError(f"--held-out must be above 0 and at most 0.5, got {self.held_out}")

    def require_positive(self, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise OptionError(f"{flag(name)} must be above zero, got {value}")

    def require_natural(self, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            if value is not None and not 0 <= value < 2**32:
                raise OptionError(f"{flag(name)} must be from 0 to 4294967295, got {value}")

    def require_choice(self, name: str, choices: Sequence[str]) -> None:
        if getattr(self, name) not in choices:
            raise OptionError(f"{flag(name)} must be one of {', '.join(choices)}")

    def to_json(self) -> dict[str, Any]:
        """The options as plain data, for a checkpoint."""
        return {
            name: str(value) if isinstance(value, Path) else value
            for name, value in asdict(self).items()
        }

    def require_same_run(self, saved: dict[str, Any]) -> None:
        """Raise OptionError where these options would continue another run than `saved`."""
        for name, value in self.to_json().items():
            is_place = isinstance(getattr(self, name), Path)  # folders may have moved
            if name in _FREE_ON_RESUME or is_place or saved.get(name) == value:
                continue
            raise OptionError(
                f"{flag(name)} is {value} and was {saved.get(name)} when this run began; "
                "resume with the same options"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions(StepOptions):
    """What every training of a transformer can be told besides."""

    batch_tokens: int = 8192
    pass_tokens: int | None = None  # None: as many as memory surely holds
    dtype: str = "auto"
    device: str = "auto"

    def __post_init__(self) -> None:
        StepOptions.__post_init__(self)  # a class with slots is made anew: super() misses it
        self.require_positive("batch_tokens", "pass_tokens")
        self.require_choice("dtype", DTYPES)
        self.require_choice("device", DEVICES)


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseOptions(TrainingOptions):
    """The options of `cimiento train base`, named as they are there."""

    data: Path
    tokenizer: Path
    layers: int = 6
    width: int = 256
    heads: int = 4
    kv_heads: int = 2
    d_ff: int | None = None  # None: 8/3 of the width, rounded up to a multiple of 64
    context: int = 512
    min_chars: int = MIN_CHARS

    def __post_init__(self) -> None:
        TrainingOptions.__post_init__(self)  # a class with slots is made anew: super() misses it
        self.require_positive("layers", "width", "heads", "kv_heads", "d_ff")
        self.require_natural("min_chars")
        self._check_shape()
        for name in ("batch_tokens", "pass_tokens"):
            value = getattr(self, name)
            if value is not None and value < self.context:
                raise OptionError(f"{flag(name)} ({value}) must hold a --context ({self.context})")

    def _check_shape(self) -> None:
        if self.context < 2:
            raise OptionError(f"--context must be at least 2, got {self.context}")
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise OptionError(
                f"--width ({self.width}) must be an even multiple of --heads ({self.heads})"
            )
        if self.heads % self.kv_heads:
            raise OptionError(
                f"--heads ({self.heads}) must be a multiple of --kv-heads ({self.kv_heads})"
            )

    def build_config(self, vocab_size: int) -> ModelConfig:
        """A Llama of this shape, with tied embeddings: most of a small model is its vocabulary."""
        try:
            return ModelConfig(
                vocab_size=vocab_size,
                d_model=self.width,
                num_layers=self.layers,
                num_heads=self.heads,
                num_kv_heads=self.kv_heads,
                head_dim=self.width // self.heads,
                d_ff=self.d_ff or -(-self.width * 8 // (3 * 64)) * 64,
                norm_eps=1e-5,
                max_positions=self.context,
                tie_embeddings=True,
            )
        except ModelConfigError as error:
            raise OptionError(f"--context or another number of the shape: {error}") from error


_HELP: Final = {
    "out": "folder for the model; the run's state is kept in its folder 'training'",
    "data": "folder of .txt, .md and .jsonl files",
    "tokenizer": "folder that 'cimiento train tokenizer' wrote",
    "layers": "transformer blocks",
    "width": "size of the hidden state",
    "heads": "query heads",
    "kv_heads": "key and value heads",
    "d_ff": "size of the feed-forward (8/3 of the width)",
    "context": "tokens of the longest sequence",
    "batch_tokens": "tokens of one optimizer step",
    "pass_tokens": "tokens of one forward pass; gradients are summed up to --batch-tokens",
    "steps": "end after so many optimizer steps (once through the data)",
    "minutes": "end after so many minutes of training",
    "lr": "peak learning rate",
    "warmup": "steps until the peak, at most a tenth of the run",
    "weight_decay": "of matrices",
    "held_out": "share of the text kept for validation, in whole documents",
    "min_chars": "leave shorter documents out",
    "checkpoint_minutes": "how often to save the run's state",
    "seed": "of weights, split and order",
    "dtype": "of products: auto, float32 or bfloat16; weights are kept in float32",
    "device": "auto, cpu or cuda",
    "resume": "go on from the last checkpoint in --out, or begin where there is none",
}


def parse_options(arguments: Sequence[str] | None, *, program: str | None = None) -> BaseOptions:
    """Options from the command line. Ends the process for --help and for unknown options."""
    parser = build_parser(
        BaseOptions, _HELP, program, "Train a small Llama from nothing on a folder of text."
    )
    return BaseOptions(**vars(parser.parse_args(arguments)))


def build_parser(
    kind: type[StepOptions], help_texts: Mapping[str, str], program: str | None, purpose: str
) -> argparse.ArgumentParser:
    """A parser with an option for every field of `kind`."""
    parser = argparse.ArgumentParser(prog=program, description=purpose, allow_abbrev=False)
    for field in fields(kind):
        help_text = help_texts[field.name]
        if isinstance(field.default, bool):
            parser.add_argument(flag(field.name), action="store_true", help=help_text)
            continue
        is_required = field.default is MISSING
        if not is_required and field.default is not None:
            help_text += f" ({field.default})"
        parser.add_argument(
            flag(field.name),
            type=_type_of(field.type),
            required=is_required,
            default=None if is_required else field.default,
            help=help_text,
        )
    return parser


def flag(name: str) -> str:
    """How an option is spelt on the command line."""
    return "--" + name.replace("_", "-")


def _type_of(annotation: Any) -> type:
    for kind in (Path, int, float):
        if annotation in (kind, kind | None):
            return kind
    return str
