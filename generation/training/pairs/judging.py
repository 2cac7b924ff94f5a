"""What held-out pairs say: how often the better reply has the larger number, and by how much."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.statistics import Interval, wilson_interval
from generation.training.pairs.batches import PairBatch
from generation.training.running import Measured
from generation.training.trainer import Trainer

M = TypeVar("M", bound=nn.Module)
Margins = Callable[[M, PairBatch], Tensor]
"""Of every pair, how much better the better reply is thought to be: (P,), float32."""


@dataclass(frozen=True, slots=True)
class Judged:
    """`accuracy`: the share of pairs whose margin is above zero; one of zero is half a hit."""

    loss: float  # nats per pair
    accuracy: Interval
    margin: float
    num_pairs: int

    @property
    def measured(self) -> Measured:
        return Measured(self.loss, self.accuracy.value)

    def __str__(self) -> str:
        share = self.accuracy
        return (
            f"{share.value:.3f} of {self.num_pairs:,} pairs the right way round "
            f"(95% interval {share.low:.3f} to {share.high:.3f}), margin {self.margin:.3f}, loss "
            f"{self.loss:.3f}"
        )


def pair_loss(margins: Margins[M]) -> Callable[[M, PairBatch], Tensor]:
    """The summed loss of a batch: -log sigmoid(margin), of Bradley and Terry (1952)."""

    def loss_of(model: M, batch: PairBatch) -> Tensor:
        return -F.logsigmoid(margins(model, batch)).sum()

    return loss_of


def judge_pairs(
    trainer: Trainer[M, PairBatch], margins: Margins[M], batches: Iterable[PairBatch]
) -> Judged:
    """Judge the weights as they are."""
    found = torch.cat([trainer.compute(margins, batch).cpu() for batch in batches]).double()
    num_hits = float((found > 0).sum()) + 0.5 * float((found == 0).sum())
    return Judged(
        loss=float(-F.logsigmoid(found).mean()),
        accuracy=wilson_interval(num_hits, len(found)),
        margin=float(found.mean()),
        num_pairs=len(found),
    )
