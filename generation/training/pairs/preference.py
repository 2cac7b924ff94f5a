"""Teach a model to prefer the better of two replies, and write an adapter that serves like another.

Direct preference optimisation (Rafailov et al. 2023): the margin of a pair is how much more likely
the model finds its better reply than it did before anything was learnt, less the same of the other.
What it found before is computed with the low-rank paths off: no second model is held. Run it as
`python -m generation.training.pairs.preference --help`.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from generation.engine.adapters import Adapter, serialise_adapter
from generation.engine.model import Transformer
from generation.training.lora import as_it_was
from generation.training.messages import Report, print_line, run_command
from generation.training.options import build_parser
from generation.training.pairs.batches import PairBatch
from generation.training.pairs.cards import Outcome
from generation.training.pairs.judging import Margins
from generation.training.pairs.learning import learn_from_pairs
from generation.training.pairs.options import PAIR_HELP, PairOptions
from generation.training.pairs.preparing import Task
from generation.training.reader.branches import BranchedBatch
from generation.training.running import Watch, ignore
from generation.training.trainer import predict

ADAPTER: Final = "adapter.safetensors"
_PURPOSE: Final = (
    "A model that was taught to prefer one reply to another. It learnt which replies people or "
    "checks called better, and no new facts."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceOptions(PairOptions):
    """The options of `cimiento train preference`, named as they are there."""

    beta: float = 0.1

    def __post_init__(self) -> None:
        PairOptions.__post_init__(self)  # a class with slots is made anew: super() misses it
        self.require_positive("beta")


_HELP: Final = PAIR_HELP | {
    "beta": "how closely the model is held to what it was before: larger holds it closer"
}


def prefer(options: PreferenceOptions, *, report: Report, watch: Watch = ignore) -> Outcome:
    """Train, or go on training, and write the adapter to `options.out`.

    Raises OptionError, DataError, CheckpointError or DivergedError; what was saved before stays.
    """
    task = Task(
        command="train preference",
        result=ADAPTER,
        purpose=_PURPOSE,
        build=_itself,
        margins=preference_margins(options.beta),
        serialise=_serialise,
    )
    return learn_from_pairs(options, task, report=report, watch=watch)


def preference_margins(beta: float) -> Margins[Transformer]:
    """beta times the gain in log-likelihood of the better reply, less that of the other."""

    def margins(model: Transformer, batch: PairBatch) -> Tensor:
        with torch.no_grad(), as_it_was(model):
            before = _log_likelihoods(model, batch.replies)  # (2 P,)
        gains = _log_likelihoods(model, batch.replies) - before
        return beta * (gains[0::2] - gains[1::2])

    return margins


def _log_likelihoods(model: Transformer, batch: BranchedBatch) -> Tensor:
    """Of every reply, in nats: (S,)."""
    logits, targets = predict(model, batch)  # (R, V), (R,)
    losses = F.cross_entropy(logits, targets, reduction="none")
    zeros = losses.new_zeros(len(batch.are_refusals))
    return -zeros.index_add(0, batch.owners, losses)


def _itself(transformer: Transformer) -> Transformer:
    return transformer


def _serialise(_model: Transformer, adapter: Adapter) -> bytes:
    return serialise_adapter(adapter)


def main(arguments: Sequence[str] | None = None, *, program: str | None = None) -> int:
    """Parse, train, and return the exit code: 0 done, 1 failed, 2 wrong option."""
    purpose = "Teach a model to prefer the better of two replies."
    parser = build_parser(PreferenceOptions, _HELP, program, purpose)
    return run_command(
        lambda: prefer(PreferenceOptions(**vars(parser.parse_args(arguments))), report=print_line)
    )


if __name__ == "__main__":
    sys.exit(main())
