"""Groups of two replies as batches whose targets are pairs: one loss a pair, not one a token."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from generation.training.packing import IGNORED
from generation.training.reader.branches import BranchedBatch, GroupStream, pack_in_passes
from generation.training.reader.groups import Group


@dataclass(frozen=True, slots=True)
class PairBatch:
    """Pairs for one forward pass: branch 2 i is the better reply of pair i, 2 i + 1 the other."""

    replies: BranchedBatch

    @property
    def num_targets(self) -> int:
        """Pairs."""
        return len(self.replies.are_refusals) // 2

    def to(self, device: torch.device) -> "PairBatch":
        return replace(self, replies=self.replies.to(device))


def last_places(batch: BranchedBatch) -> Tensor:
    """Where in the batch the last token of every reply stands that is read, (S,)."""
    places = torch.nonzero(batch.targets != IGNORED).squeeze(1)  # (num_targets,)
    is_last = torch.ones_like(batch.owners, dtype=torch.bool)
    is_last[:-1] = batch.owners[1:] != batch.owners[:-1]
    return places[is_last]


def pair_batches(groups: Sequence[Group], *, pass_tokens: int) -> Iterator[PairBatch]:
    """All pairs once."""
    return map(PairBatch, pack_in_passes(groups, pass_tokens=pass_tokens))


class PairStream:
    """Pairs without end, shuffled anew every round."""

    def __init__(self, groups: GroupStream) -> None:
        self._groups = groups

    @property
    def position(self) -> int:
        """Pairs taken so far; set it to go on from there."""
        return self._groups.position

    @position.setter
    def position(self, position: int) -> None:
        self._groups.position = position

    def take_step(self) -> list[PairBatch]:
        """The batches of one optimizer step."""
        return [PairBatch(batch) for batch in self._groups.take_step()]
