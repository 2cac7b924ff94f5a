"""Weights in eight bits on a card: half of bfloat16's memory to read for each step of decoding.

torch's own `_weight_int8pack_mm` has a plain CUDA kernel (a thread for each output), which does
not come near the card's memory; ours multiplies tiles. Shapes: R rows, K inputs, N outputs.
"""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from generation.engine.model import Linear, Transformer
from generation.engine.packing import PackedLinear, quantise_int8

# beyond it the product waits for arithmetic, not for memory, and the dense weights are quicker [E]
_MAX_ROWS: Final = 64
_BLOCK_M: Final = 16
_BLOCK_N: Final = 32
_BLOCK_K: Final = 128


@dataclass(frozen=True, slots=True)
class CudaInt8:
    """Eight bits a weight, with a scale for every output."""

    levels: Tensor  # (N, K) int8
    scales: Tensor  # (N,) bfloat16
    max_rows: int = _MAX_ROWS

    def multiply(self, x: Tensor) -> Tensor:
        """x (R, K) -> (R, N), in the format of x."""
        # ships with torch's CUDA builds only
        from generation.engine.cuda.kernels import int8_kernel  # noqa: PLC0415

        (num_rows, num_in), num_out = x.shape, self.levels.shape[0]
        block_m = _BLOCK_M if num_rows <= _BLOCK_M else 4 * _BLOCK_M
        out = x.new_empty((num_rows, num_out))
        grid = (-(-num_out // _BLOCK_N), -(-num_rows // block_m))
        int8_kernel[grid](
            *(x.contiguous(), self.levels, self.scales, out, num_rows, num_out),
            NUM_IN=num_in,
            BLOCK_M=block_m,
            BLOCK_N=_BLOCK_N,
            BLOCK_K=_BLOCK_K,
            num_warps=4,
            num_stages=4,
        )
        return out

    def parts(self) -> tuple[str, Tensor, Tensor]:
        """Its kind and its two tensors, for those who store it."""
        return "int8", self.levels, self.scales


def pack_int8(model: Transformer) -> None:
    """Give every product of the model, the head too, eight-bit weights beside its dense ones."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Linear):
                setattr(module, name, _pack(child))


def _pack(dense: Linear) -> nn.Module:
    with torch.no_grad():
        rounded = quantise_int8(dense.weight)
    return PackedLinear(dense, CudaInt8(rounded.levels, rounded.scales))
