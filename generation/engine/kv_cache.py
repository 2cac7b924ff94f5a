"""Keys and values of one sequence in static contiguous buffers. Refuses to write past its end."""

import torch
from torch import Tensor

from generation.engine.config import ModelConfig
from generation.engine.errors import ContextOverflowError


class KVCache:
    """Room for `max_tokens` tokens in every layer; `length` of them are computed.

    Each layer writes its new tokens after `length` with `append`; `advance` makes them count once
    all layers have written, so a forward pass that dies half way leaves the cache as it was.
    """

    def __init__(
        self,
        config: ModelConfig,
        *,
        max_tokens: int,
        dtype: torch.dtype,
        device: torch.device | None = None,
    ) -> None:
        shape = (config.num_kv_heads, max_tokens, config.head_dim)
        # memory is not touched until written: a long context costs nothing until it is used
        self._keys = [
            torch.empty(shape, dtype=dtype, device=device) for _ in range(config.num_layers)
        ]
        self._values = [torch.empty_like(buffer) for buffer in self._keys]
        self._max_tokens = max_tokens
        self._length = 0

    @property
    def length(self) -> int:
        return self._length

    @property
    def max_tokens(self) -> int:
        return self._max_tokens

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write (Hkv, T, D) after the computed tokens; return all of the layer, (Hkv, L, D)."""
        end = self._length + keys.shape[1]
        if end > self._max_tokens:
            raise ContextOverflowError(
                f"{end} tokens do not fit into a cache of {self._max_tokens}; truncate it first"
            )
        all_keys = self._keys[layer][:, :end]
        all_values = self._values[layer][:, :end]
        all_keys[:, self._length :] = keys
        all_values[:, self._length :] = values
        return all_keys, all_values

    def advance(self, num_tokens: int) -> None:
        """Count `num_tokens` written by every layer as computed."""
        if not 0 <= num_tokens <= self._max_tokens - self._length:
            raise ContextOverflowError(
                f"cannot advance {num_tokens} tokens from {self._length} of {self._max_tokens}"
            )
        self._length += num_tokens

    def truncate(self, length: int) -> None:
        """Forget every token after the first `length`."""
        if not 0 <= length <= self._length:
            raise ContextOverflowError(
                f"cannot truncate to {length}: only {self._length} tokens are computed"
            )
        self._length = length
