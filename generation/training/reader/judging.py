"""What the development set says of a reader: its loss, and which replies it would write in full.

A reply that is the likeliest token at every place, each after the right ones, is what greedy
decoding writes: exactness takes one pass and no decoding.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from generation.engine.model import Transformer
from generation.training.reader.branches import BranchedBatch
from generation.training.running import Measured
from generation.training.trainer import Trainer, predict


@dataclass(frozen=True, slots=True)
class Judged:
    """Shares of replies that greedy decoding writes to the letter; None where there are none.

    false_refusals: of what has an answer, the share that begins as a refusal does.
    """

    loss: float  # nats per token of the replies
    exact_answers: float | None
    exact_refusals: float | None
    false_refusals: float | None
    num_answers: int
    num_refusals: int

    @property
    def metric(self) -> float:
        """The mean of both shares: neither answering nor refusing everything does well."""
        shares = [s for s in (self.exact_answers, self.exact_refusals) if s is not None]
        return sum(shares) / len(shares)

    @property
    def measured(self) -> Measured:
        return Measured(self.loss, self.metric)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A batch, by branch (S,): summed loss, whether every token is right, and the first token."""

    loss: Tensor
    is_exact: Tensor
    first: Tensor
    wanted_first: Tensor
    is_refusal: Tensor


def judge(trainer: Trainer[Transformer, BranchedBatch], batches: Iterable[BranchedBatch]) -> Judged:
    """Judge the weights as they are."""
    seen, num_targets = [], 0
    for batch in batches:
        seen.append(trainer.compute(_look, batch))
        num_targets += batch.num_targets
    loss, exact, first, wanted, refused = (
        torch.cat([getattr(part, name).cpu() for part in seen])
        for name in ("loss", "is_exact", "first", "wanted_first", "is_refusal")
    )
    refusing = torch.isin(first, wanted[refused])
    share = partial(_share, refused=refused)
    return Judged(
        loss=float(loss.double().sum() / num_targets),
        exact_answers=share(exact, of_refusals=False),
        exact_refusals=share(exact, of_refusals=True),
        false_refusals=share(refusing, of_refusals=False) if refused.any() else None,
        num_answers=int((~refused).sum()),
        num_refusals=int(refused.sum()),
    )


def _look(model: Transformer, batch: BranchedBatch) -> _Seen:
    logits, targets = predict(model, batch)  # (R, V), (R,)
    losses = F.cross_entropy(logits, targets, reduction="none")
    guesses = logits.argmax(dim=-1)
    num_branches = len(batch.are_refusals)
    summed = losses.new_zeros(num_branches).index_add(0, batch.owners, losses)
    num_wrong = torch.zeros(num_branches, dtype=torch.int64, device=targets.device)
    num_wrong = num_wrong.index_add(0, batch.owners, (guesses != targets).long())
    is_first = torch.ones_like(batch.owners, dtype=torch.bool)
    is_first[1:] = batch.owners[1:] != batch.owners[:-1]
    return _Seen(summed, num_wrong == 0, guesses[is_first], targets[is_first], batch.are_refusals)


def _share(hits: Tensor, *, refused: Tensor, of_refusals: bool) -> float | None:
    chosen = hits[refused if of_refusals else ~refused]
    return float(chosen.double().mean()) if len(chosen) else None
