"""Weights in four or eight bits, for steps that compute few rows. CPU kernels of torch; no files.

Decoding reads every weight once a token, so its speed is that of memory: fewer bits, more tokens.
Prefill computes many rows with each weight, so it keeps the dense form. A `PackedLinear` holds both
and chooses by the number of rows. Torch has these kernels under private names only.
Shapes: R rows, N outputs, K inputs, groups of 32 inputs.
"""

from dataclasses import dataclass
from typing import Final, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generation.engine.model import Linear

GROUP_SIZE: Final = 32
# the kernel packs this many outputs at once
_INT4_OUTPUTS: Final = 64
# Beyond this many rows the dense product is quicker (benchmarks/LOG.md).
_INT4_MAX_ROWS: Final = 8
_INT8_MAX_ROWS: Final = 4


@dataclass(frozen=True, slots=True)
class Levels:
    """Weights as small integers: w = levels * scale + low, by group of 32 inputs."""

    levels: Tensor  # (N, K) uint8, 0 to 15
    scale: Tensor  # (N, K / 32) float32
    low: Tensor  # (N, K / 32) float32


class Packed(Protocol):
    """A matrix in few bits that multiplies. Beyond `max_rows` rows the dense one is quicker."""

    @property
    def max_rows(self) -> int: ...

    def multiply(self, x: Tensor) -> Tensor:
        """x (R, K) bfloat16 -> (R, N) bfloat16."""
        ...

    def parts(self) -> tuple[str, Tensor, Tensor]:
        """Its kind and its two tensors, for those who store it."""
        ...


@dataclass(frozen=True, slots=True)
class Int4:
    """Four bits a weight, with a scale and a zero for every group of 32."""

    packed: Tensor  # (N, K / 2) uint8
    scales_and_zeros: Tensor  # (K / 32, N, 2) bfloat16
    max_rows: int = _INT4_MAX_ROWS

    def multiply(self, x: Tensor) -> Tensor:
        out: Tensor = torch.ops.aten._weight_int4pack_mm_for_cpu(  # noqa: SLF001
            x, self.packed, GROUP_SIZE, self.scales_and_zeros
        )
        return out

    def parts(self) -> tuple[str, Tensor, Tensor]:
        return "int4", self.packed, self.scales_and_zeros


@dataclass(frozen=True, slots=True)
class Int8:
    """Eight bits a weight, with a scale for every output."""

    levels: Tensor  # (N, K) int8
    scales: Tensor  # (N,) bfloat16
    max_rows: int = _INT8_MAX_ROWS

    def multiply(self, x: Tensor) -> Tensor:
        return torch._weight_int8pack_mm(x, self.levels, self.scales)  # noqa: SLF001

    def parts(self) -> tuple[str, Tensor, Tensor]:
        return "int8", self.levels, self.scales


class PackedLinear(nn.Module):
    """A `Linear` that has its weights twice: packed for few rows, dense for many."""

    def __init__(self, dense: Linear, packed: Packed) -> None:
        super().__init__()
        self.weight = dense.weight
        self.bias = dense.bias
        self.packed = packed

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[0] > self.packed.max_rows:
            return F.linear(x, self.weight, self.bias)
        # a conversion that changes nothing still costs a call, and this runs 120 times a token
        is_bfloat16 = x.dtype == torch.bfloat16
        out = self.packed.multiply(x if is_bfloat16 else x.to(torch.bfloat16))
        if not is_bfloat16:
            out = out.to(x.dtype)
        return out if self.bias is None else out + self.bias


def can_pack_int4(num_out: int, num_in: int) -> bool:
    """Whether the int4 kernel takes a matrix (num_out, num_in)."""
    return num_out % _INT4_OUTPUTS == 0 and num_in % GROUP_SIZE == 0


def pack_int4(weight: Levels) -> Int4:
    """Lay out for the kernel, whose weights are (level - 8) * scale + zero."""
    packed = torch._convert_weight_to_int4pack_for_cpu(weight.levels.int(), 1)  # noqa: SLF001
    zeros = weight.low + 8 * weight.scale
    both = torch.stack((weight.scale, zeros), dim=-1)  # (N, K / 32, 2)
    return Int4(packed, both.transpose(0, 1).to(torch.bfloat16).contiguous())


def quantise_levels(weight: Tensor) -> Levels:
    """Round a matrix (N, K) to 16 levels between the least and greatest of each group."""
    groups = weight.float().view(weight.shape[0], -1, GROUP_SIZE)  # (N, K / 32, 32)
    low, high = groups.aminmax(dim=-1)  # (N, K / 32) each
    scale = (high - low) / 15
    safe = torch.where(scale > 0, scale, torch.ones_like(scale))
    levels = ((groups - low[..., None]) / safe[..., None]).round().clamp(0, 15)
    return Levels(levels.to(torch.uint8).flatten(1), scale, low)


def quantise_int8(weight: Tensor) -> Int8:
    """Round a matrix (N, K) to 255 levels, symmetric about zero, by output."""
    scale = weight.float().abs().amax(dim=1) / 127  # (N,)
    # rounded first: the levels must fit the scale that will multiply them
    scale = scale.to(torch.bfloat16)
    safe = torch.where(scale > 0, scale, torch.ones_like(scale)).float()
    levels = (weight.float() / safe[:, None]).round().clamp(-127, 127)
    return Int8(levels.to(torch.int8), scale)
