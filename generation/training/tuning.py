"""What every tuning of a chat model shares: options, base model, size of passes, and plan."""

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import torch
from torch.utils.checkpoint import checkpoint

from generation.engine.config import ModelConfig
from generation.engine.errors import EngineError
from generation.engine.model import Transformer
from generation.local_model import LoadedModel, load_model
from generation.tokenizer import Tokenizer
from generation.training.errors import OptionError
from generation.training.loop import Plan, plan_steps
from generation.training.options import TrainingOptions

# of what a pass keeps for its way back; the rest is for weights and whoever else is there
_PASS_BYTES: Final = 3 << 30
_CARD_SHARE: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningOptions(TrainingOptions):
    """What every tuning of a chat model can be told."""

    examples: Path
    base: Path
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

    def __post_init__(self) -> None:
        TrainingOptions.__post_init__(self)  # a class with slots is made anew: super() misses it
        self.require_positive("rank", "alpha", "window", "rounds", "validations", "patience")
        if self.window < 64:
            raise OptionError(f"--window must be at least 64, got {self.window}")
        if self.rank > 1024:
            raise OptionError(f"--rank must be at most 1024, got {self.rank}")


TUNING_HELP: Final = {
    "out": "folder for what is learnt; the run's state is kept in its folder 'training'",
    "rank": "numbers between the two factors of every product",
    "alpha": "the factors' product is scaled by alpha / rank",
    "prompt": "the template that the service asks with, as name or name@version",
    "window": "tokens of the longest example; longer ones are left out",
    "batch_tokens": "tokens of one optimizer step",
    "pass_tokens": "tokens of one forward pass; gradients are summed up to --batch-tokens",
    "steps": "end after so many optimizer steps",
    "minutes": "end after so many minutes of training",
    "rounds": "end after so many times through the examples, unless --steps or --minutes say when",
    "lr": "peak learning rate",
    "warmup": "steps until the peak, at most a tenth of the run",
    "weight_decay": "of matrices",
    "held_out": 'share of the passages to judge by, where no line says "split": "dev"',
    "validations": "how often the development set is asked, over the run",
    "patience": "validations without a better metric before the run ends early",
    "recompute": "keep less of a forward pass and compute it again: slower, in little memory",
    "checkpoint_minutes": "how often to save the run's state",
    "seed": "of first factors, split and order",
    "dtype": "of products: auto, float32 or bfloat16; what learns is kept in float32",
    "device": "auto, cpu or cuda",
    "resume": "go on from the last checkpoint in --out, or begin where there is none",
}


def load_base(options: TuningOptions, *, adapter: Path | None = None) -> LoadedModel:
    """The model that learns, in float32. Raises OptionError for one that cannot."""
    try:
        loaded = load_model(options.base, precision="float32", adapter=adapter)
    except (FileNotFoundError, EngineError) as error:
        name = "--base" if adapter is None else "--base or --adapter"
        raise OptionError(f"{name}: {error}") from error
    if not loaded.tokenizer.has_template:
        raise OptionError(
            f"--base: {options.base} has no chat template: the service could not ask it; "
            "take a chat model"
        )
    if options.window > loaded.config.max_positions:
        raise OptionError(
            f"--window: the model reads {loaded.config.max_positions} tokens, not {options.window}"
        )
    return loaded


def hash_tokenizer(tokenizer: Tokenizer) -> str:
    """Tells two vocabularies apart: ids of one mean nothing to the other."""
    digest = hashlib.sha256()
    for token_id in range(tokenizer.vocab_size):
        spelt = tokenizer.token_bytes(token_id)
        digest.update(len(spelt).to_bytes(4, "little") + spelt)
    digest.update(repr(sorted(tokenizer.control_tokens.items())).encode())
    return digest.hexdigest()


def keep_less(model: Transformer) -> None:
    """Let every block keep its input alone of a forward pass, and compute the rest again."""
    for block in model.blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)


def fit_pass(config: ModelConfig, options: TuningOptions, device: torch.device) -> int:
    """Tokens of one pass: no more than memory leaves room for on the way back."""
    if options.pass_tokens is not None:
        return options.pass_tokens
    room = float(_PASS_BYTES)
    if device.type == "cuda":
        room = torch.cuda.get_device_properties(device).total_memory * _CARD_SHARE
    # counted on Llama's block: what each product and each gate keeps of a token, in float32
    kept = config.num_layers * (24 * config.d_model + 8 * config.d_ff) * 4
    if options.recompute:
        kept = kept // config.num_layers + config.num_layers * config.d_model * 4
    return min(options.batch_tokens, max(options.window, int(room / kept)))


def plan_run(options: TuningOptions, *, num_tokens: int) -> Plan:
    """How long the run is; `num_tokens` are those of one round."""
    rounds = options.rounds * num_tokens / options.batch_tokens
    return plan_steps(options, usual_steps=round(rounds))
