"""Keys and values of every page, in one tensor a layer. Knows slots, not who owns them.

A page is `page_size` neighbouring slots. Where the pages of a sequence lie one after the other,
attention reads them as a slice; else it gathers them first. The scheduler's pool prefers runs, so
gathering is the exception. Shapes: S slots in all, Hkv key/value heads, D = head_dim.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from generation.engine.attention import LayerAttention, attend
from generation.engine.config import ModelConfig
from generation.engine.errors import ContextOverflowError
from generation.engine.memory import empty_bytes

Slots = slice | Tensor


@dataclass(frozen=True, slots=True)
class Span:
    """New tokens [start, end) of a sequence that owns `pages`; what lies before is computed."""

    pages: Sequence[int]
    start: int
    end: int


class KVCache:
    """Memory is not touched until written: a large cache costs nothing until it is used."""

    def __init__(
        self,
        config: ModelConfig,
        *,
        num_pages: int,
        page_size: int,
        dtype: torch.dtype,
        device: torch.device | None = None,
    ) -> None:
        shape = (config.num_kv_heads, num_pages * page_size, config.head_dim)
        layers = range(config.num_layers)
        # a tensor for each layer: one stacked tensor was slower, eager and compiled
        size = math.prod(shape) * dtype.itemsize
        if device is None or device.type == "cpu":
            parts = iter(torch.split(empty_bytes(2 * config.num_layers * size), size))
            self.keys = [next(parts).view(dtype).view(shape) for _ in layers]
            self.values = [next(parts).view(dtype).view(shape) for _ in layers]
        else:
            self.keys = [torch.empty(shape, dtype=dtype, device=device) for _ in layers]
            self.values = [torch.empty(shape, dtype=dtype, device=device) for _ in layers]
        self.num_pages = num_pages
        self.page_size = page_size

    def context(self, spans: Sequence[Span]) -> "PagedContext":
        """Attention for one batch; `spans` lie in the batch one after the other."""
        return PagedContext(self, spans)

    def copy_pages(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Copy what pages hold, in order: (from, to). Neighbours to neighbours go in one piece."""
        size = self.page_size
        for source, target, num in _join_neighbours(pairs):
            old = slice(source * size, (source + num) * size)
            new = slice(target * size, (target + num) * size)
            for buffer in (*self.keys, *self.values):
                buffer[:, new] = buffer[:, old]

    def refuse_overflow(self, pages: Sequence[int], num_tokens: int) -> None:
        """Raises ContextOverflowError where so many tokens need more pages."""
        if num_tokens > len(pages) * self.page_size:
            raise ContextOverflowError(
                f"{num_tokens} tokens do not fit into {len(pages)} pages of {self.page_size}"
            )

    def slots(self, pages: Sequence[int], start: int, end: int) -> Slots:
        """Where tokens [start, end) of a sequence lie: a slice if they are neighbours."""
        self.refuse_overflow(pages, end)
        size = self.page_size
        first, last = start // size, (end - 1) // size
        offset = pages[first] * size - first * size
        if pages[last] - pages[first] == last - first and all(
            pages[i + 1] - pages[i] == 1 for i in range(first, last)
        ):
            return slice(offset + start, offset + end)
        tokens = torch.arange(start, end)
        own = torch.tensor(pages, dtype=torch.int64)
        slots = own[tokens // size] * size + tokens % size
        return slots.to(self.keys[0].device)


class PagedContext:
    """Attention of one batch over the pages of its sequences.

    Rows of the batch after the last sequence's are padding: they see nothing and are not kept.
    """

    def __init__(self, cache: KVCache, spans: Sequence[Span]) -> None:
        self._cache = cache
        self._parts = [_Part.of(cache, span) for span in spans]

    def attend(self, layer: LayerAttention, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q (N, H, D); k, v (N, Hkv, D) -> (N, H * D); keeps k and v."""
        keys, values = self._cache.keys[layer.index], self._cache.values[layer.index]
        k, v = k.transpose(0, 1), v.transpose(0, 1)  # (Hkv, N, D)
        outs: list[Tensor] = []
        at = 0
        for part in self._parts:
            to = at + part.num_new
            new_q, new_k, new_v = q[at:to], k[:, at:to], v[:, at:to]
            if part.num_spare:
                new_q = F.pad(new_q, (0, 0, 0, 0, 0, part.num_spare))
                new_k, new_v = (F.pad(t, (0, 0, 0, part.num_spare)) for t in (new_k, new_v))
            keys[:, part.new] = new_k
            values[:, part.new] = new_v
            out = attend(new_q, keys[:, part.seen], values[:, part.seen], layer)  # (T, H * D)
            outs.append(out[: part.num_new])
            at = to
        if at < q.shape[0]:
            outs.append(q.new_zeros(q.shape[0] - at, outs[0].shape[1]))
        return torch.cat(outs) if len(outs) > 1 else outs[0]  # (N, H * D)


@dataclass(frozen=True, slots=True)
class _Part:
    """One sequence's rows of the batch: where they are kept, and what they see.

    num_spare: rows of zeros added behind the last token, up to the end of its page, which no real
        token looks at and the next ones overwrite. PyTorch keeps a kernel for each number of rows
        and of tokens that are seen, and prompts come in all.
    """

    num_new: int
    new: Slots
    seen: Slots
    num_spare: int

    @classmethod
    def of(cls, cache: KVCache, span: Span) -> "_Part":
        cache.refuse_overflow(span.pages, span.end)
        num_new = span.end - span.start
        num_spare = -span.end % cache.page_size if num_new > 1 else 0
        end = span.end + num_spare
        return cls(
            num_new,
            cache.slots(span.pages, span.start, end),
            cache.slots(span.pages, 0, end),
            num_spare,
        )


def _join_neighbours(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Runs of pairs that both go up by one, as (from, to, how many); none overlaps itself."""
    runs: list[tuple[int, int, int]] = []
    for source, target in pairs:
        if runs:
            first, onto, num = runs[-1]
            apart = abs(first - onto) > num
            if (source, target) == (first + num, onto + num) and apart:
                runs[-1] = (first, onto, num + 1)
                continue
        runs.append((source, target, 1))
    return runs
