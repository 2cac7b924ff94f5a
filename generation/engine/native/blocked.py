"""Weights in four or eight bits as the C++ reads them: those of 32 outputs lie together.

One input's weights for a block of outputs are neighbours, so that memory is read in one stream and
a sum needs no last step across its lanes. Scales of four bits stay in float16, as the blocks of a
GGUF file have them: nothing is rounded again.
"""

import ctypes
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor

from generation.engine.native.library import Library, Matrix, address
from generation.engine.packing import GROUP_SIZE, Int8, Levels

BLOCK: Final = 32
# beyond this many rows the dense product is quicker (benchmarks/LOG.md)
MAX_ROWS: Final = 16
INT4, INT8, BFLOAT16, FLOAT32 = range(4)
_TOGETHER: Final = 4  # inputs of one output that lie side by side, in four bits

Kind = Literal["blocked4", "blocked8"]


@dataclass(frozen=True, slots=True)
class Blocked:
    """A matrix (N, K). blocked4: levels of 0 to 15, a scale and an offset by group of 32 inputs.
    blocked8: levels of -127 to 127, a scale by output.
    """

    kind: Kind
    library: Library
    levels: Tensor  # blocked4 (N / 32, K / 4, 64) uint8, blocked8 (N / 32, K, 32) int8
    scales: Tensor  # blocked4 (N / 32, K / 32, 2, 32) float16: scale and low; blocked8 (N,) float32

    @property
    def max_rows(self) -> int:
        return MAX_ROWS

    def multiply(self, x: Tensor) -> Tensor:
        """x (R, K) bfloat16 -> (R, N) bfloat16."""
        return multiply(self.library, self.matrix(), x.float()).to(x.dtype)

    def matrix(self, *, bias: int = 0) -> Matrix:
        """As the C++ takes it, with the address of a bias in float32."""
        kind = INT4 if self.kind == "blocked4" else INT8
        num_out, num_in = self.levels.shape[0] * BLOCK, self.levels.shape[1]
        if kind == INT4:
            num_in *= _TOGETHER
        return Matrix(address(self.levels), address(self.scales), bias, kind, num_out, num_in)

    def parts(self) -> tuple[str, Tensor, Tensor]:
        return self.kind, self.levels, self.scales


def can_block(num_out: int, num_in: int) -> bool:
    """Whether a matrix (num_out, num_in) divides into blocks."""
    return num_out % BLOCK == 0 and num_in % GROUP_SIZE == 0


def block_levels(weight: Levels, library: Library) -> Blocked:
    num_out, num_in = weight.levels.shape
    halves = weight.levels.view(-1, 2, BLOCK // 2, num_in)  # (N / 32, 2, 16, K)
    packed = halves[:, 0] | (halves[:, 1] << 4)  # (N / 32, 16, K)
    fours = packed.view(-1, BLOCK // 2, num_in // _TOGETHER, _TOGETHER)  # (N / 32, 16, K / 4, 4)
    both = torch.stack((weight.scale, weight.low), dim=-1)  # (N, K / 32, 2)
    scales = both.view(num_out // BLOCK, BLOCK, -1, 2).permute(0, 2, 3, 1)  # (., K / 32, 2, 32)
    levels = fours.transpose(1, 2).reshape(-1, num_in // _TOGETHER, _TOGETHER * BLOCK // 2)
    return Blocked("blocked4", library, levels, scales.to(torch.float16).contiguous())


def block_int8(weight: Int8, library: Library) -> Blocked:
    levels = weight.levels.view(-1, BLOCK, weight.levels.shape[1])  # (N / 32, 32, K)
    return Blocked("blocked8", library, levels.transpose(1, 2).contiguous(), weight.scales.float())


def multiply(library: Library, matrix: Matrix, x: Tensor) -> Tensor:
    """x (R, K) float32 -> (R, N) float32, with as many threads as torch would take."""
    x = x.contiguous()
    num_rows, num_threads = x.shape[0], torch.get_num_threads()
    out = torch.empty(num_rows, matrix.num_out)
    own = num_rows * (2 * (matrix.num_in // GROUP_SIZE) + matrix.num_in // 4)
    memory = torch.empty(num_threads * own)
    library.run_product(
        ctypes.byref(matrix),
        ctypes.c_int32(num_rows),
        ctypes.c_void_p(address(x)),
        ctypes.c_void_p(address(out)),
        ctypes.c_void_p(address(memory)),
        ctypes.c_int32(num_threads),
    )
    return out
