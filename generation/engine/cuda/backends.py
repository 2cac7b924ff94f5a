"""Attention over pages, three ways. Each answers the same; `probe` finds which is fastest here.

Shapes as in `batch`: q (N, H, D); keys, values (pages, page_size, Hkv, D); -> (N, H, D).
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from generation.engine.attention import LayerAttention
from generation.engine.cuda.batch import PagedBatch

_LOG2_E: Final = 1.4426950408889634
# programs that a card should have for each of its processors to hide the wait for memory
_PROGRAMS_PER_PROCESSOR: Final = 2
_MAX_SPLITS: Final = 32
# new tokens of one sequence in a step of decoding: one, and guesses
_MAX_VERIFIED: Final = 8


class PagedAttention(Protocol):
    """name: for logs. is_capturable: it reads sizes from tensors only, so a graph may hold it."""

    name: str
    is_capturable: bool

    def attend(
        self, layer: LayerAttention, q: Tensor, keys: Tensor, values: Tensor, batch: PagedBatch
    ) -> Tensor:
        """Rows of padding tokens are whatever they are."""
        ...


class GatheredAttention:
    """Copy every sequence's pages into a rectangle and mask it. Needs nothing but torch.

    The reference for the others, and what is left where none of them works.
    """

    name = "gathered"
    is_capturable = False  # the rectangle is as long as the longest sequence, not the context

    def attend(
        self, layer: LayerAttention, q: Tensor, keys: Tensor, values: Tensor, batch: PagedBatch
    ) -> Tensor:
        shape = batch.shape
        num_kv_heads, head_dim = keys.shape[2], keys.shape[3]
        groups = q.shape[1] // num_kv_heads
        starts = batch.query_starts[:-1, None]  # (S, 1)
        num_new = batch.query_starts[1:, None] - starts  # (S, 1)
        column = torch.arange(shape.max_new, device=q.device)  # (T,)
        rows = (starts + column).clamp(max=shape.num_tokens - 1)  # (S, T)
        positions = batch.lengths[:, None] - num_new + column  # (S, T)
        seen = torch.arange(shape.num_pages * shape.page_size, device=q.device)  # (L,)
        visible = seen <= positions[..., None]  # (S, T, L)
        if layer.window is not None:
            visible &= seen > positions[..., None] - layer.window
        k, v = (
            t[batch.pages].flatten(1, 2).repeat_interleave(groups, dim=2).transpose(1, 2)
            for t in (keys, values)
        )  # (S, H, L, D)
        found = F.scaled_dot_product_attention(
            q[rows].transpose(1, 2), k, v, attn_mask=visible[:, None], scale=layer.scale
        ).transpose(1, 2)  # (S, T, H, D)
        is_real = column < num_new  # (S, T)
        out = q.new_zeros(shape.num_tokens, q.shape[1], head_dim)
        out[rows[is_real]] = found[is_real]
        return out


class TritonAttention:
    """Our own kernels. `num_splits` None: as many parts as fill the card."""

    name = "triton"
    is_capturable = True

    def __init__(self, *, num_processors: int, num_splits: int | None = None) -> None:
        # ships with torch's CUDA builds only
        from generation.engine.cuda import kernels  # noqa: PLC0415

        self._kernels = kernels
        self._num_programs = num_processors * _PROGRAMS_PER_PROCESSOR
        self._num_splits = num_splits

    def attend(
        self, layer: LayerAttention, q: Tensor, keys: Tensor, values: Tensor, batch: PagedBatch
    ) -> Tensor:
        num_tokens, num_heads, head_dim = q.shape
        num_kv_heads = keys.shape[2]
        num_rows = batch.shape.max_new * (num_heads // num_kv_heads)
        # A product of tiles needs 16 rows; 64 of them keep the queries in registers. Prompts come
        # in every size: all have one form, or a new size would wait for the compiler.
        is_prompt = batch.shape.max_new > _MAX_VERIFIED
        block_m = 64 if is_prompt else min(max(_next_power(num_rows), 16), 64)
        block_n = 64 if head_dim <= 128 else 32
        num_tiles = -(-num_rows // block_m)
        num_sequences = batch.shape.num_sequences
        splits = (
            1
            if is_prompt
            else self._choose_splits(
                num_tiles * num_kv_heads * num_sequences, -(-batch.shape.max_length // block_n)
            )
        )
        splits = self._num_splits or splits
        out = torch.empty_like(q, memory_format=torch.contiguous_format)
        parts, weights = out, out
        if splits > 1:
            parts = q.new_empty((num_tokens, num_heads, splits, head_dim), dtype=torch.float32)
            weights = q.new_empty((num_tokens, num_heads, splits), dtype=torch.float32)
        self._kernels.attend_kernel[(num_tiles, num_kv_heads, num_sequences * splits)](
            *(q, keys, values, parts, weights),
            *(batch.query_starts, batch.lengths, batch.pages),
            *(q.stride(0), batch.pages.stride(0), layer.scale * _LOG2_E),
            GROUPS=num_heads // num_kv_heads,
            KV_HEADS=num_kv_heads,
            HEAD_DIM=head_dim,
            PAGE_SIZE=batch.shape.page_size,
            WINDOW=layer.window or 0,
            SPLITS=splits,
            BLOCK_M=block_m,
            BLOCK_N=block_n,
            BLOCK_D=_next_power(max(head_dim, 16)),
            num_warps=4 if head_dim <= 128 else 8,
            num_stages=2,
        )
        if splits > 1:
            self._kernels.merge_kernel[(num_tokens * num_heads,)](
                *(parts, weights, out, batch.num_new),
                NUM_HEADS=num_heads,
                HEAD_DIM=head_dim,
                SPLITS=splits,
                BLOCK_D=_next_power(head_dim),
            )
        return out

    def _choose_splits(self, num_programs: int, num_blocks: int) -> int:
        """Parts for each of `num_programs` tiles that see at most `num_blocks` blocks of keys."""
        wanted = min(self._num_programs // num_programs, num_blocks, _MAX_SPLITS)
        return 1 << (wanted.bit_length() - 1) if wanted > 1 else 1


class VarlenAttention:
    """torch's variable-length flash attention, which over pages needs FlashAttention 3."""

    name = "varlen"
    is_capturable = True

    def __init__(self, varlen_attn: Callable[..., Any]) -> None:
        self._varlen_attn = varlen_attn

    def attend(
        self, layer: LayerAttention, q: Tensor, keys: Tensor, values: Tensor, batch: PagedBatch
    ) -> Tensor:
        out: Tensor = self._varlen_attn(
            q.contiguous(),
            keys,
            values,
            batch.query_starts,
            None,  # where keys begin: the pages say
            batch.shape.max_new,
            batch.shape.max_length,
            scale=layer.scale,
            # counts tokens to the left, the token itself left out
            window_size=(-1 if layer.window is None else layer.window - 1, 0),
            enable_gqa=q.shape[1] != keys.shape[2],
            seqused_k=batch.lengths,
            block_table=batch.pages,
        )
        return out


def _next_power(number: int) -> int:
    """The least power of two that is not below."""
    return 1 << (number - 1).bit_length()
