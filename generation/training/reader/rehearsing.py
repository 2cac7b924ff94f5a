"""What a model is to go on foretelling as it did: plain text, held against the untrained model.

Tuning that only ever sees questions forgets how texts go on. Beside each step's questions stands a
piece of plain text, and its loss is the divergence from what the model foretold before anything was
learnt: nothing is taught by it, and text of any kind and licence does. Shapes: N tokens, V words.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from generation.engine.attention import PackedContext
from generation.engine.model import Transformer
from generation.tokenizer import Tokenizer
from generation.training.documents import Skips, read_documents
from generation.training.errors import DataError
from generation.training.lora import as_it_was
from generation.training.reader.branches import BranchedBatch, GroupStream
from generation.training.reader.groups import Group, Tokens
from generation.training.trainer import next_token_loss

_PIECE_TOKENS: Final = 128
_LEAST_TOKENS: Final = 16  # fewer say little of how a text goes on


def read_pieces(path: Path, tokenizer: Tokenizer, *, seed: int) -> list[Tokens]:
    """A .txt, .md or .jsonl file as pieces of at most 128 tokens, in random order.

    Raises DataError for a file that has no text.
    """
    skips = Skips()
    pieces: list[Tokens] = []
    for document in read_documents(path, path.name, skips):
        pieces += _cut(tokenizer.encode(document.text))
    if not pieces:
        raise DataError(
            f"--plain: {path} has no text to rehearse ({str(skips) or 'it is too short'})"
        )
    order = np.random.default_rng(seed).permutation(len(pieces))
    return [pieces[index] for index in order]


def _cut(ids: Sequence[int]) -> Iterator[Tokens]:
    for start in range(0, len(ids), _PIECE_TOKENS):
        piece = np.array(ids[start : start + _PIECE_TOKENS], np.int32)
        if len(piece) >= _LEAST_TOKENS:
            yield piece


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A piece of plain text. Its mean divergence counts as the loss of `weight` targets."""

    tokens: Tensor  # (N,) int64
    weight: float

    def to(self, device: torch.device) -> "Rehearsal":
        return replace(self, tokens=self.tokens.to(device))


@dataclass(frozen=True, slots=True)
class RehearsedBatch(BranchedBatch):
    """Questions, and what is rehearsed beside them."""

    rehearsal: Rehearsal

    def to(self, device: torch.device) -> Self:
        moved = BranchedBatch.to(self, device)
        return replace(moved, rehearsal=self.rehearsal.to(device))


class RehearsingStream(GroupStream):
    """Groups, and in every step one piece of plain text; which one follows from the position."""

    def __init__(
        self,
        groups: Sequence[Group],
        pieces: Sequence[Tokens],
        *,
        weight: float,
        batch_tokens: int,
        pass_tokens: int,
        seed: int,
    ) -> None:
        super().__init__(groups, batch_tokens=batch_tokens, pass_tokens=pass_tokens, seed=seed)
        self._pieces = pieces
        self._weight = weight

    def take_step(self) -> list[BranchedBatch]:
        """As a stream of groups; the last batch, which is the smallest, has the piece with it."""
        piece = self._pieces[self.position % len(self._pieces)]
        *batches, last = super().take_step()
        # the divergence weighs against the mean loss of all targets of the step
        num_targets = sum(batch.num_targets for batch in (*batches, last))
        tokens = torch.from_numpy(piece.astype(np.int64))
        return [*batches, _join(last, Rehearsal(tokens, self._weight * num_targets))]


def _join(batch: BranchedBatch, rehearsal: Rehearsal) -> RehearsedBatch:
    held = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return RehearsedBatch(**held, rehearsal=rehearsal)


def reading_loss(model: Transformer, batch: BranchedBatch) -> Tensor:
    """Sum of the cross entropies of the replies, in nats, and what is rehearsed beside them."""
    loss = next_token_loss(model, batch)
    if isinstance(batch, RehearsedBatch):
        loss = loss + batch.rehearsal.weight * divergence(model, batch.rehearsal.tokens)
    return loss


def divergence(model: Transformer, tokens: Tensor) -> Tensor:
    """Mean over the tokens of KL(as it was || as it is), in nats."""
    with torch.no_grad(), as_it_was(model):
        before = F.log_softmax(_foretell(model, tokens), dim=-1)  # (N, V)
    now = F.log_softmax(_foretell(model, tokens), dim=-1)
    return F.kl_div(now, before, reduction="batchmean", log_target=True)


def _foretell(model: Transformer, tokens: Tensor) -> Tensor:
    """tokens (N,) -> float32 logits (N, V)."""
    positions = torch.arange(len(tokens), device=tokens.device)
    return model.logits(model(tokens, positions, PackedContext([len(tokens)])))
