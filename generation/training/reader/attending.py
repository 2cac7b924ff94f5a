"""Attention of branched groups on a processor, forward and backward, without what no one may see.

Queries go in blocks. A block of shared tokens reads the shared keys up to its own end; a block of
whole branches reads what they share and themselves: about half of what one dense product over a
group would compute, and nothing is padded. A fused kernel's way back is, on a processor, slower
than all else together. Shapes: N tokens, H query and Hkv key heads, R = H / Hkv, D = head_dim; a
block has B queries and K keys.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_BLOCK: Final = 128  # queries: products large enough to run at full speed, and little hidden
_SHARED: Final = 0  # segment of what all branches of a group see

Layout = tuple[NDArray[np.int64], NDArray[np.int64]]  # segments and positions of a group's tokens


@dataclass(frozen=True, slots=True)
class Block:
    """Queries that are computed together, and the keys that any of them sees."""

    queries: slice
    keys: tuple[slice, ...]  # one range, or what is shared and what is the branches' own
    mask: Tensor  # (B, K), 0 where a query may look, -inf elsewhere

    def select(self, x: Tensor) -> Tensor:
        """(Hkv, N, D) -> (Hkv, K, D)."""
        parts = [x[:, span] for span in self.keys]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def add_to(self, x: Tensor, part: Tensor) -> None:
        """Add (Hkv, K, D) to where `select` took it from."""
        start = 0
        for span in self.keys:
            size = span.stop - span.start
            x[:, span] += part[:, start : start + size]
            start += size


def build_blocks(groups: Sequence[Layout], *, window: int | None) -> list[Block]:
    """The blocks of groups that lie one after the other."""
    blocks, start = [], 0
    for segments, positions in groups:
        num_shared = int(np.count_nonzero(segments == _SHARED))
        for first, last in _cut(segments, num_shared):
            keys = [slice(0, num_shared), slice(first, last)]
            if first <= num_shared:
                keys = [slice(0, last)]
            places = np.concatenate([np.arange(span.start, span.stop) for span in keys])
            asking = np.arange(first, last)
            may = _may_look(segments, positions, asking, places, window)
            mask = torch.zeros(may.shape).masked_fill_(torch.from_numpy(~may), -torch.inf)
            moved = tuple(slice(start + span.start, start + span.stop) for span in keys)
            blocks.append(Block(slice(start + first, start + last), moved, mask))
        start += len(segments)
    return blocks


def _cut(segments: NDArray[np.int64], num_shared: int) -> Iterator[tuple[int, int]]:
    """First and last query of each block; a block of branches begins where a branch begins."""
    yield from ((first, min(first + _BLOCK, num_shared)) for first in range(0, num_shared, _BLOCK))
    changes = np.flatnonzero(np.diff(segments, append=-1)) + 1  # where a segment ends
    first = num_shared
    for last in changes[changes > num_shared].tolist():
        if last - first >= _BLOCK or last == len(segments):
            yield first, last
            first = last


def _may_look(
    segments: NDArray[np.int64],
    positions: NDArray[np.int64],
    asking: NDArray[np.int64],
    asked: NDArray[np.int64],
    window: int | None,
) -> NDArray[np.bool_]:
    """(B, K): no token sees a later one, another branch, or what is `window` before it."""
    of = segments[asked]
    may = (of == _SHARED) | (of == segments[asking, None])
    may &= asked <= asking[:, None]
    if window is not None:
        may &= positions[asking, None] - positions[asked] < window
    result: NDArray[np.bool_] = may
    return result


def attend_in_blocks(q: Tensor, k: Tensor, v: Tensor, blocks: Sequence[Block]) -> Tensor:
    """q (N, H, D), scaled; k, v (N, Hkv, D) -> (N, H * D). Products in the format of v."""
    out: Tensor = _Attend.apply(q, k, v, blocks)  # type: ignore[no-untyped-call] # torch leaves it so
    return out


class _Attend(torch.autograd.Function):
    """Written out, for weights are kept once, and every product back is in the format of v."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, blocks: Sequence[Block]) -> Tensor:
        num_tokens, num_kv_heads = k.shape[:2]
        ctx.formats = q.dtype, k.dtype
        q, k, v = _by_head(q.to(v.dtype), num_kv_heads), _by_key(k.to(v.dtype)), _by_key(v)
        exact_q, exact_k = q.float(), k.float()
        out, kept = torch.empty_like(q), []
        with torch.autocast("cpu", enabled=False):
            for block in blocks:
                asked = exact_q[:, :, block.queries]  # (Hkv, R, B, D)
                with _rounded_already(v.dtype):
                    scores = asked.flatten(1, 2) @ block.select(exact_k).mT  # (Hkv, R * B, K)
                scores.view(num_kv_heads, -1, *block.mask.shape).add_(block.mask)
                weights = torch.softmax(scores, dim=-1).to(v.dtype)
                out[:, :, block.queries] = (weights @ block.select(v)).view(asked.shape)
                kept.append(weights)
        ctx.save_for_backward(q, k, v, out, *kept)
        ctx.blocks = blocks
        return out.permute(2, 0, 1, 3).reshape(num_tokens, -1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        q, k, v, out, *kept = ctx.saved_tensors
        num_kv_heads, num_tokens, head_dim = k.shape
        grad = _by_head(grad.view(num_tokens, -1, head_dim).to(v.dtype), num_kv_heads)
        # what softmax takes from the gradient of a weight: rows of weights times it, summed
        taken = (grad.float() * out.float()).sum(-1, keepdim=True)  # (Hkv, R, N, 1)
        of_q = torch.empty_like(q)
        of_k, of_v = (torch.zeros(k.shape) for _ in range(2))  # float32: many blocks add to them
        for block, weights in zip(ctx.blocks, kept, strict=True):
            asked = q[:, :, block.queries]  # (Hkv, R, B, D)
            of_out = grad[:, :, block.queries].flatten(1, 2)  # (Hkv, R * B, D)
            block.add_to(of_v, weights.mT @ of_out)
            of_weights = of_out @ block.select(v).mT  # (Hkv, R * B, K)
            of_scores = of_weights - taken[:, :, block.queries].flatten(1, 2)  # float32
            of_scores = of_scores.mul_(weights).to(v.dtype)
            of_q[:, :, block.queries] = (of_scores @ block.select(k)).view(asked.shape)
            block.add_to(of_k, of_scores.mT @ asked.flatten(1, 2))
        q_format, k_format = ctx.formats
        by_token = of_q.permute(2, 0, 1, 3).flatten(1, 2).to(q_format)  # (N, H, D)
        return by_token, of_k.transpose(0, 1).to(k_format), of_v.transpose(0, 1).to(v.dtype), None


def _by_head(x: Tensor, num_kv_heads: int) -> Tensor:
    """(N, H, D) -> (Hkv, R, N, D)."""
    num_tokens, _, head_dim = x.shape
    return x.view(num_tokens, num_kv_heads, -1, head_dim).permute(1, 2, 0, 3).contiguous()


def _by_key(x: Tensor) -> Tensor:
    """(N, Hkv, D) -> (Hkv, N, D)."""
    return x.transpose(0, 1).contiguous()


@contextmanager
def _rounded_already(dtype: torch.dtype) -> Iterator[None]:
    """Let float32 products take their factors as bfloat16 where they are: the sums stay exact.

    A score that is itself rounded to bfloat16 moves its weight by hundredths.
    """
    if dtype != torch.bfloat16:
        yield
        return
    products = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]  # made at run time
    before = products.fp32_precision
    products.fp32_precision = "bf16"
    try:
        yield
    finally:
        products.fp32_precision = before
