"""Four-bit GGUF blocks as small integers with a scale and an offset: nothing is rounded again.

Block layouts: ggml-common.h, structs block_q4_0, block_q4_1 and block_q4_K.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from generation.engine.ggml_types import ByteArray
from generation.engine.packing import GROUP_SIZE, Levels

_LEVEL_TYPES: Final = ("Q4_0", "Q4_1", "Q4_K")
_K_BYTES: Final = 144  # of a Q4_K block of 256 values
_FloatArray = npt.NDArray[np.float32]


def has_levels(type_name: str) -> bool:
    return type_name in _LEVEL_TYPES


def read_levels(rows: ByteArray, type_name: str) -> Levels:
    """rows (N, bytes) of blocks -> levels (N, K), scale and low (N, K / 32)."""
    levels, scale, low = _read_q4_k(rows) if type_name == "Q4_K" else _read_q4(rows, type_name)
    num_rows = rows.shape[0]
    return Levels(
        torch.from_numpy(levels.reshape(num_rows, -1)),
        torch.from_numpy(scale.reshape(num_rows, -1)),
        torch.from_numpy(low.reshape(num_rows, -1)),
    )


def _read_q4(rows: ByteArray, type_name: str) -> tuple[ByteArray, _FloatArray, _FloatArray]:
    """Blocks of 32: a float16 scale, for Q4_1 a float16 minimum, 16 bytes of two levels each."""
    num_head = 4 if type_name == "Q4_1" else 2
    blocks = rows.reshape(-1, num_head + GROUP_SIZE // 2)  # (B, bytes)
    head = blocks[:, :num_head].copy().view(np.float16).astype(np.float32)  # (B, 1 or 2)
    scale = head[:, 0]
    low = head[:, 1] if type_name == "Q4_1" else -8 * scale
    return _split_bytes(blocks[:, num_head:]), scale, low


def _read_q4_k(rows: ByteArray) -> tuple[ByteArray, _FloatArray, _FloatArray]:
    """Blocks of 256: scales of scales and of minima, eight of each in six bits, 128 bytes."""
    blocks = rows.reshape(-1, _K_BYTES)  # (B, bytes)
    head = blocks[:, :4].copy().view(np.float16).astype(np.float32)  # (B, 2)
    first, second, mixed = blocks[:, 4:8], blocks[:, 8:12], blocks[:, 12:16]  # (B, 4) each
    # the first four lie in six bits of a byte; the others' upper two bits are left over there
    scales = np.concatenate((first & 63, (mixed & 15) | (first >> 6 << 4)), axis=1)  # (B, 8)
    minima = np.concatenate((second & 63, (mixed >> 4) | (second >> 6 << 4)), axis=1)  # (B, 8)
    levels = _split_bytes(blocks[:, 16:].reshape(-1, 32))  # each 32 bytes are two groups of 32
    return levels, head[:, :1] * scales, -head[:, 1:] * minima


def _split_bytes(packed: ByteArray) -> ByteArray:
    """Lower halves of the bytes first, then the upper ones: (B, n) -> (B, 2 n)."""
    levels: ByteArray = np.concatenate((packed & 15, packed >> 4), axis=1)
    return levels
