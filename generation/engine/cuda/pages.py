"""Keys and values of every page on the device, token by token. Knows slots, not who owns them.

Unlike the CPU's cache, a slot's heads lie together: a page is then one block of memory, which is
how paged flash attention wants it, and storing a token is one row. Shapes as in `batch`; Hkv
key/value heads, D = head_dim.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from generation.engine.attention import LayerAttention
from generation.engine.config import ModelConfig
from generation.engine.cuda.backends import PagedAttention
from generation.engine.cuda.batch import PagedBatch


class DevicePages:
    """One page more than was asked for: a batch is padded with tokens that go to the last."""

    def __init__(
        self,
        config: ModelConfig,
        *,
        num_pages: int,
        page_size: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        shape = (num_pages + 1, page_size, config.num_kv_heads, config.head_dim)
        layers = range(config.num_layers)
        # zeros: what was never written is masked by a product, and 0 * NaN would be NaN
        self.keys = [torch.zeros(shape, dtype=dtype, device=device) for _ in layers]
        self.values = [torch.zeros(shape, dtype=dtype, device=device) for _ in layers]
        self.spare_page = num_pages
        self.page_size = page_size

    def store(self, layer: int, slots: Tensor, k: Tensor, v: Tensor) -> None:
        """Keep k, v (N, Hkv, D) at `slots` (N,) int64."""
        self.keys[layer].flatten(0, 1).index_copy_(0, slots, k)
        self.values[layer].flatten(0, 1).index_copy_(0, slots, v)

    def copy(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Copy whole pages, (from, to), one after the other."""
        for kept in (*self.keys, *self.values):
            for source, target in pairs:
                kept[target] = kept[source]


class DeviceContext:
    """Attention of one batch over the pages of its sequences."""

    def __init__(self, pages: DevicePages, batch: PagedBatch, attention: PagedAttention) -> None:
        self._pages = pages
        self._batch = batch
        self._attention = attention
        self._slots = batch.slots.long()  # once a step, not in every layer

    def attend(self, layer: LayerAttention, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q (N, H, D); k, v (N, Hkv, D) -> (N, H * D); keeps k and v."""
        self._pages.store(layer.index, self._slots, k, v)
        keys, values = self._pages.keys[layer.index], self._pages.values[layer.index]
        return self._attention.attend(layer, q, keys, values, self._batch).flatten(1)
