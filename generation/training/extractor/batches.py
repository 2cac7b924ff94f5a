"""Pairs of like length as batches, and the loss over where answers begin and end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from generation.training.embedder.encoder import Texts
from generation.training.extractor.model import ExtractorModel
from generation.training.extractor.pairs import Pair
from generation.training.packing import ShuffledStream


@dataclass(frozen=True, slots=True)
class PairBatch:
    """B pairs of at most T tokens. (B, T) each, all of them bool: where an answer may stand, and
    where one rightly begins and ends.
    """

    texts: Texts
    allowed: Tensor
    starts: Tensor
    ends: Tensor

    @property
    def num_targets(self) -> int:
        return len(self.allowed)

    def to(self, device: torch.device) -> "PairBatch":
        return PairBatch(
            self.texts.to(device),
            self.allowed.to(device),
            self.starts.to(device),
            self.ends.to(device),
        )


def build_batch(pairs: Sequence[Pair]) -> PairBatch:
    """As long as the longest of them."""
    ids = [torch.tensor(pair.tokens.ids) for pair in pairs]
    tokens = nn.utils.rnn.pad_sequence(ids, batch_first=True)  # (B, T)
    mask, allowed, starts, ends = (torch.zeros(tokens.shape, dtype=torch.bool) for _ in range(4))
    for row, pair in enumerate(pairs):
        mask[row, : len(pair)] = True
        allowed[row, 0] = True
        allowed[row, pair.tokens.first : pair.tokens.first + len(pair.tokens.places)] = True
        starts[row, torch.from_numpy(pair.starts)] = True
        ends[row, torch.from_numpy(pair.ends)] = True
    return PairBatch(Texts(tokens, mask.float()), allowed, starts, ends)


def pointing_loss(model: ExtractorModel, batch: PairBatch) -> Tensor:
    """The summed surprise, in nats, at where answers begin and where they end.

    A passage that says its answer several times may be pointed at at any of them.
    """
    return sum_surprise(model(batch.texts, batch.allowed), batch)


def sum_surprise(scores: Tensor, batch: PairBatch) -> Tensor:
    """The same of the model's scores, (B, T, 2)."""
    right = torch.stack([batch.starts, batch.ends], dim=-1)
    held = scores.masked_fill(~right, -torch.inf).logsumexp(dim=1)  # (B, 2)
    loss: Tensor = (scores.logsumexp(dim=1) - held).sum()
    return loss


def cut_passes(pairs: Sequence[Pair], pass_tokens: int) -> Iterator[list[Pair]]:
    """The pairs in passes of like length: of at most so many tokens, padding with them."""
    held: list[Pair] = []
    for pair in sorted(pairs, key=len, reverse=True):
        if held and len(held[0]) * (len(held) + 1) > pass_tokens:
            yield held
            held = []
        held.append(pair)
    if held:
        yield held


class PairStream(ShuffledStream):
    """Pairs without end, shuffled anew every round, some for each step."""

    def __init__(
        self, pairs: Sequence[Pair], *, batch_pairs: int, pass_tokens: int, seed: int
    ) -> None:
        super().__init__(len(pairs), seed=seed)
        self._pairs = pairs
        self._size = min(batch_pairs, len(pairs))
        self._pass_tokens = pass_tokens

    def take_step(self) -> list[PairBatch]:
        """The batches of one optimizer step."""
        taken = [self._pairs[self._shuffle.take()] for _ in range(self._size)]
        return [build_batch(each) for each in cut_passes(taken, self._pass_tokens)]
