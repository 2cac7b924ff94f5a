"""Groups to batches: branches see what their group shares and themselves, never each other.

Shared tokens are computed once, forward and backward: questions over the same passages cost little
more than their own words. Shapes: N tokens in the batch, G groups of at most T tokens, S branches.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from generation.engine.attention import LayerAttention
from generation.training.packing import IGNORED, ShuffledStream
from generation.training.reader.attending import Block, attend_in_blocks, build_blocks
from generation.training.reader.groups import Group

_SHARED: Final = 0  # the segment that all branches of a group see
_PADDING: Final = -1
_MULTIPLE: Final = 8  # of T: what fast kernels ask of a mask's rows


class BranchedContext:
    """Attention within groups; built once for a batch, used by every layer."""

    def __init__(self, segments: Tensor, positions: Tensor, places: Tensor) -> None:
        """segments, positions (G, T): the branch that a token is of, 0 for shared ones, -1 for
        none; where it stands. places (N,): where each token of the batch lies in G * T.
        """
        self._segments, self._positions, self._places = segments, positions, places
        self._masks: dict[tuple[int | None, torch.dtype], Tensor] = {}
        self._blocks: dict[int | None, list[Block]] = {}

    def attend(self, layer: LayerAttention, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q (N, H, D); k, v (N, Hkv, D) -> (N, H * D)."""
        if q.device.type == "cpu":
            return attend_in_blocks(q * layer.scale, k, v, self._blocks_of(layer.window))
        num_heads, head_dim = q.shape[1:]
        mask = self._mask(layer.window, q.dtype)
        q, k, v = self._spread(q), self._spread(k), self._spread(v)  # (G, heads, T, D)
        out = _attend_fused(q * layer.scale, k, v, mask)  # (G, H, T, D)
        rows = out.transpose(1, 2).reshape(-1, num_heads * head_dim)  # (G * T, H * D)
        return rows[self._places]

    def _blocks_of(self, window: int | None) -> list[Block]:
        if window not in self._blocks:
            counts = (self._segments != _PADDING).sum(1).tolist()
            layouts = [
                (segments[:count].numpy(), positions[:count].numpy())
                for segments, positions, count in zip(
                    self._segments, self._positions, counts, strict=True
                )
            ]
            self._blocks[window] = build_blocks(layouts, window=window)
        return self._blocks[window]

    def _spread(self, x: Tensor) -> Tensor:
        """(N, heads, D) -> (G, heads, T, D), zeros where no token is."""
        num_groups, length = self._segments.shape
        rows = x.new_zeros(num_groups * length, *x.shape[1:])
        rows = rows.index_copy(0, self._places, x)
        return rows.view(num_groups, length, *x.shape[1:]).transpose(1, 2)

    def _mask(self, window: int | None, dtype: torch.dtype) -> Tensor:
        """(G, 1, T, T): 0 where a token may look, -inf elsewhere."""
        if (window, dtype) not in self._masks:
            asking, asked = self._segments[:, :, None], self._segments[:, None, :]
            length = self._segments.shape[1]
            may = (asked == _SHARED) | (asked == asking)
            may &= torch.ones(length, length, dtype=torch.bool, device=may.device).tril()
            if window is not None:
                may &= self._positions[:, :, None] - self._positions[:, None, :] < window
            # padding sees itself: a row that sees nothing would not be a number
            mask = torch.zeros(may.shape, dtype=dtype, device=may.device)
            self._masks[window, dtype] = mask.masked_fill_(~may, -torch.inf)[:, None]
        return self._masks[window, dtype]


def _attend_fused(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """q (G, H, T, D), scaled; k, v (G, Hkv, T, D); mask (G, 1, T, T) -> (G, H, T, D)."""
    shared = q.shape[1] // k.shape[1]
    k, v = (x.repeat_interleave(shared, dim=1) for x in (k, v))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=1.0)


@dataclass(frozen=True, slots=True)
class BranchedBatch:
    """Groups one after the other, for one forward pass."""

    tokens: Tensor  # (N,) int64
    targets: Tensor  # (N,) int64, the next token of a reply; IGNORED elsewhere
    positions: Tensor  # (N,) int64, a branch's from the end of what it shares
    segments: Tensor  # (G, T) int64
    padded_positions: Tensor  # (G, T) int64
    places: Tensor  # (N,) int64, in G * T
    owners: Tensor  # (num_targets,) int64, the branch of each target, counted over the batch
    are_refusals: Tensor  # (S,) bool
    num_targets: int

    @property
    def num_tokens(self) -> int:
        return len(self.tokens)

    def build_context(self) -> BranchedContext:
        """What lets no branch see another."""
        return BranchedContext(self.segments, self.padded_positions, self.places)

    def to(self, device: torch.device) -> Self:
        return replace(
            self,
            tokens=self.tokens.to(device),
            targets=self.targets.to(device),
            positions=self.positions.to(device),
            segments=self.segments.to(device),
            padded_positions=self.padded_positions.to(device),
            places=self.places.to(device),
            owners=self.owners.to(device),
            are_refusals=self.are_refusals.to(device),
        )


def pack_groups(groups: Sequence[Group]) -> BranchedBatch:
    """Groups into one batch."""
    length = -(-max(group.num_tokens for group in groups) // _MULTIPLE) * _MULTIPLE
    segments = np.full((len(groups), length), _PADDING, np.int64)
    positions = np.zeros((len(groups), length), np.int64)
    tokens, targets, places, owners = [], [], [], []
    branches = [branch for group in groups for branch in group.branches]
    for row, group in enumerate(groups):
        ids, following = _lay_out(group)
        size = len(ids)
        segments[row, :size], positions[row, :size] = _number(group)
        tokens.append(ids)
        targets.append(following)
        places.append(row * length + np.arange(size))
    for index, branch in enumerate(branches):
        owners.append(np.full(branch.num_reply, index))
    flat_places = np.concatenate(places)
    return BranchedBatch(
        tokens=torch.from_numpy(np.concatenate(tokens).astype(np.int64)),
        targets=torch.from_numpy(np.concatenate(targets)),
        positions=torch.from_numpy(positions.reshape(-1)[flat_places]),
        segments=torch.from_numpy(segments),
        padded_positions=torch.from_numpy(positions),
        places=torch.from_numpy(flat_places),
        owners=torch.from_numpy(np.concatenate(owners)),
        are_refusals=torch.tensor([branch.is_refusal for branch in branches]),
        num_targets=sum(group.num_targets for group in groups),
    )


def _lay_out(group: Group) -> tuple[np.ndarray, np.ndarray]:
    """What is read, and what is to be foretold at each of its tokens."""
    ids = [group.shared, *(branch.ids[:-1] for branch in group.branches)]
    targets = [np.full(len(group.shared), IGNORED, np.int64)]
    for branch in group.branches:
        following = branch.ids[1:].astype(np.int64)
        following[: len(following) - branch.num_reply] = IGNORED
        targets.append(following)
    return np.concatenate(ids), np.concatenate(targets)


def _number(group: Group) -> tuple[np.ndarray, np.ndarray]:
    """Segments and positions of a group's tokens."""
    num_shared = len(group.shared)
    sizes = [len(branch.ids) - 1 for branch in group.branches]
    segments = [np.zeros(num_shared, np.int64)]
    positions = [np.arange(num_shared)]
    for number, size in enumerate(sizes, start=1):
        segments.append(np.full(size, number))
        positions.append(num_shared + np.arange(size))
    return np.concatenate(segments), np.concatenate(positions)


class GroupStream(ShuffledStream):
    """Groups without end, shuffled anew every round, as the batches of one step after another."""

    def __init__(
        self, groups: Sequence[Group], *, batch_tokens: int, pass_tokens: int, seed: int
    ) -> None:
        super().__init__(len(groups), seed=seed)
        self._groups = groups
        self._batch_tokens = batch_tokens
        self._pass_tokens = pass_tokens

    def take_step(self) -> list[BranchedBatch]:
        """The batches of one optimizer step: together at least `batch_tokens` tokens."""
        taken: list[Group] = []
        num_tokens = 0
        while num_tokens < self._batch_tokens:
            taken.append(self._groups[self._shuffle.take()])
            num_tokens += taken[-1].num_tokens
        return list(pack_in_passes(taken, pass_tokens=self._pass_tokens))


def pack_in_passes(groups: Sequence[Group], *, pass_tokens: int) -> Iterator[BranchedBatch]:
    """All groups once, those of like length together, in batches of at most `pass_tokens` tokens.

    A group that is longer has a pass of its own. What is padded to one length counts: attention
    computes it.
    """
    held: list[Group] = []
    for group in sorted(groups, key=lambda group: group.num_tokens, reverse=True):
        if held and held[0].num_tokens * (len(held) + 1) > pass_tokens:
            yield pack_groups(held)
            held = []
        held.append(group)
    if held:
        yield pack_groups(held)
