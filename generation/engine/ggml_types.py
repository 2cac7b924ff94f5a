"""Tensor types of GGUF files: names, block sizes, and back to float32. Knows no file layout."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from generation.engine.errors import UnsupportedModelError

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class GgmlType:
    """`block_len` values are stored together in `block_bytes` bytes."""

    number: int
    name: str
    block_len: int
    block_bytes: int


# ggml.h, enum ggml_type; the sizes are those of the block structs in ggml-common.h
_TYPES = (
    GgmlType(0, "F32", 1, 4),
    GgmlType(1, "F16", 1, 2),
    GgmlType(2, "Q4_0", 32, 18),
    GgmlType(3, "Q4_1", 32, 20),
    GgmlType(6, "Q5_0", 32, 22),
    GgmlType(7, "Q5_1", 32, 24),
    GgmlType(8, "Q8_0", 32, 34),
    GgmlType(10, "Q2_K", 256, 84),
    GgmlType(11, "Q3_K", 256, 110),
    GgmlType(12, "Q4_K", 256, 144),
    GgmlType(13, "Q5_K", 256, 176),
    GgmlType(14, "Q6_K", 256, 210),
    GgmlType(20, "IQ4_NL", 32, 18),
    GgmlType(23, "IQ4_XS", 256, 136),
    GgmlType(30, "BF16", 1, 2),
)
SUPPORTED_TYPES = {ggml_type.number: ggml_type for ggml_type in _TYPES}

# read far enough to be refused by name
_UNSUPPORTED_NAMES = {
    9: "Q8_1",
    15: "Q8_K",
    16: "IQ2_XXS",
    17: "IQ2_XS",
    18: "IQ3_XXS",
    19: "IQ1_S",
    21: "IQ3_S",
    22: "IQ2_S",
    24: "I8",
    25: "I16",
    26: "I32",
    27: "I64",
    28: "F64",
    29: "IQ1_M",
    34: "TQ1_0",
    35: "TQ2_0",
    39: "MXFP4",
}


def get_ggml_type(number: int, *, tensor: str) -> GgmlType:
    if number not in SUPPORTED_TYPES:
        raise UnsupportedModelError(
            f"tensor {tensor!r} has type {_UNSUPPORTED_NAMES.get(number, 'unknown')} ({number}); "
            f"supported: {', '.join(t.name for t in _TYPES)}"
        )
    return SUPPORTED_TYPES[number]


def dequantize(blocks: ByteArray, ggml_type: GgmlType) -> FloatArray:
    """Rows of bytes (..., num_blocks * block_bytes) to values (..., num_blocks * block_len)."""
    # late: a bare GPU machine that reads safetensors has no gguf package
    from gguf import GGMLQuantizationType, quants  # noqa: PLC0415

    values: FloatArray = quants.dequantize(blocks, GGMLQuantizationType(ggml_type.number))
    return values
