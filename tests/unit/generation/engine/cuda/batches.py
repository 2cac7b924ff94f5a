"""Random batches over random pages, for every way of attention to agree on."""

from dataclasses import dataclass

import torch
from torch import Tensor

from generation.engine.attention import LayerAttention
from generation.engine.attention import attend as attend_alone
from generation.engine.cuda.backends import PagedAttention
from generation.engine.cuda.batch import BatchShape, PagedBatch, fill_buffer, split_buffer
from generation.engine.runner import Chunk


@dataclass(frozen=True, kw_only=True)
class Case:
    """lengths: of each sequence, tokens before and new ones. padding: of tokens and sequences."""

    lengths: tuple[tuple[int, int], ...]
    num_heads: int = 4
    num_kv_heads: int = 2
    head_dim: int = 16
    page_size: int = 16
    window: int | None = None
    padding: int = 0
    seed: int = 0
    dtype: torch.dtype = torch.float32

    @property
    def layer(self) -> LayerAttention:
        return LayerAttention(0, self.head_dim**-0.5, self.window)


@dataclass(frozen=True)
class Drawn:
    """A case with its tensors."""

    case: Case
    batch: PagedBatch
    q: Tensor  # (N, H, D), a view with gaps as the model's is
    keys: Tensor
    values: Tensor

    def attend(self, attention: PagedAttention) -> Tensor:
        """(N, H * D) of the tokens that are no padding."""
        found = attention.attend(self.case.layer, self.q, self.keys, self.values, self.batch)
        return found.flatten(1)[: sum(new for _, new in self.case.lengths)]

    def expected(self) -> Tensor:
        """Every sequence alone, by the attention of the CPU's path."""
        outs, at = [], 0
        for index, (start, num_new) in enumerate(self.case.lengths):
            k, v = (
                t[self.batch.pages[index]].flatten(0, 1)[: start + num_new].transpose(0, 1)
                for t in (self.keys, self.values)
            )  # (Hkv, L, D)
            outs.append(attend_alone(self.q[at : at + num_new], k, v, self.case.layer))
            at += num_new
        return torch.cat(outs)


def draw(case: Case) -> Drawn:
    generator = torch.Generator().manual_seed(case.seed)
    size = case.page_size
    needed = [-(-(start + new) // size) for start, new in case.lengths]
    num_pages = sum(needed) + 3
    order = torch.randperm(num_pages, generator=generator).tolist()
    chunks = []
    for (start, new), count in zip(case.lengths, needed, strict=True):
        own, order = order[:count], order[count:]
        chunks.append(Chunk(tokens=list(range(new)), start=start, pages=own, first_row=0))
    shape = BatchShape(
        num_tokens=sum(new for _, new in case.lengths) + case.padding,
        num_sequences=len(case.lengths) + case.padding,
        max_new=max(new for _, new in case.lengths) + case.padding,
        max_length=max(start + new for start, new in case.lengths) + case.padding * size,
        page_size=size,
    )
    batch = split_buffer(fill_buffer(chunks, shape, spare_page=num_pages, pinned=False), shape)
    pool = (num_pages + 1, size, case.num_kv_heads, case.head_dim)
    heads = case.num_heads + case.num_kv_heads
    q = torch.randn(shape.num_tokens, heads, case.head_dim, generator=generator)
    return Drawn(
        case,
        batch,
        q.to(case.dtype)[:, : case.num_heads],
        torch.randn(*pool, generator=generator).to(case.dtype),
        torch.randn(*pool, generator=generator).to(case.dtype),
    )
