"""Large pieces of memory in large pages. On Linux; elsewhere, ordinary memory.

What is read from end to end at every step, as keys, values and packed weights are, is looked up
page by page as well. Beneath a hypervisor each look-up is a walk of its own, and pages of 4 KiB let
through half of what the memory could give (benchmarks/LOG.md).
"""

import mmap
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import torch
from torch import Tensor

LARGE_PAGE: Final = 2 << 20
# smaller pieces would waste more than they gain
_LEAST_BYTES: Final = 2 * LARGE_PAGE
_ALIGNMENT: Final = 64  # a vector of AVX-512, a line of the cache


def empty_bytes(num_bytes: int) -> Tensor:
    """(num_bytes,) uint8, which begins at a large page and takes memory only as it is written."""
    if num_bytes < _LEAST_BYTES or sys.platform != "linux":
        return torch.empty(num_bytes, dtype=torch.uint8)
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    piece = mmap.mmap(-1, num_bytes + LARGE_PAGE, flags=flags)
    with suppress(OSError):  # a kernel without them
        piece.madvise(mmap.MADV_HUGEPAGE)
    whole = torch.frombuffer(piece, dtype=torch.uint8)  # keeps the piece
    start = -whole.data_ptr() % LARGE_PAGE
    return whole[start : start + num_bytes]


def copy_together(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Copies of all, in one piece, each aligned for any kernel."""
    sizes = [-(-tensor.nbytes // _ALIGNMENT) * _ALIGNMENT for tensor in tensors]
    parts = torch.split(empty_bytes(sum(sizes)), sizes)
    return [
        part[: tensor.nbytes].view(tensor.dtype).view(tensor.shape).copy_(tensor)
        for part, tensor in zip(parts, tensors, strict=True)
    ]
