"""Read the packed 4-bit E5 file (`E5S1`). Refuses any length that does not fit the file.

Layout, little endian, no padding before the tensors:

    magic "E5S1", u32 version
    i32 hidden, layers, heads, intermediate, vocabulary, positions, token types; f32 epsilon; i32 32
    i32 pieces, bos, eos, pad, unk; u64 text bytes
    u32 offsets[pieces + 1]; f32 scores[pieces]; the pieces' UTF-8 text, end to end
    i32 entries, u32 bytes; the code point map (u32 code point, u8 n, u32 replacement[n]) per entry
    i32 tensors; per tensor: u16 name length, name, u8 type, u32 values, u64 offset, u64 bytes

Type 0 is float32; type 1 is Q4_0: 32 weights in 18 bytes, a float16 scale d, then 16 bytes whose
low nibbles are weights 0..15 and high nibbles 16..31; a weight is d * (nibble - 8).
"""

import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.models.errors import ModelCorruptError

MAGIC = b"E5S1"
BLOCK_WEIGHTS = 32
Q4_BLOCK = np.dtype([("d", "<f2"), ("q", "u1", (BLOCK_WEIGHTS // 2,))])
FLOAT32, Q4_0 = 0, 1
MAX_DIMENSION = 1 << 24


@dataclass(frozen=True, slots=True)
class E5Shape:
    """The sizes in the file's header."""

    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    positions: int
    token_types: int
    epsilon: float


@dataclass(frozen=True, slots=True)
class E5Vocabulary:
    """Unigram pieces in id order with their log probabilities, and the special ids."""

    pieces: tuple[str, ...]
    scores: tuple[float, ...]
    bos: int
    eos: int
    pad: int
    unk: int


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """Where one tensor lies in the file."""

    type: int
    values: int
    offset: int
    num_bytes: int


@dataclass(frozen=True, slots=True)
class E5File:
    """A whole file, checked: every entry lies inside `data`."""

    shape: E5Shape
    vocabulary: E5Vocabulary
    tensors: dict[str, TensorEntry]
    data: bytes

    def float32(self, name: str, *shape: int) -> NDArray[np.float32]:
        """A float32 tensor, (*shape)."""
        entry = self._entry(name, FLOAT32, shape, 4)
        values = np.frombuffer(self.data, "<f4", count=entry.values, offset=entry.offset)
        return values.reshape(shape)

    def q4_rows(self, name: str, rows: int, columns: int) -> NDArray[np.void]:
        """The Q4_0 blocks of a matrix, (rows, columns / 32), still packed."""
        entry = self._entry(name, Q4_0, (rows, columns), Q4_BLOCK.itemsize / BLOCK_WEIGHTS)
        count = entry.values // BLOCK_WEIGHTS
        blocks = np.frombuffer(self.data, Q4_BLOCK, count=count, offset=entry.offset)
        return blocks.reshape(rows, columns // BLOCK_WEIGHTS)

    def _entry(
        self, name: str, kind: int, shape: tuple[int, ...], value_bytes: float
    ) -> TensorEntry:
        entry = self.tensors.get(name)
        if entry is None:
            raise ModelCorruptError(f"the E5 file has no tensor {name!r}")
        expected = int(np.prod(shape, dtype=np.int64))
        if entry.type != kind or entry.values != expected:
            raise ModelCorruptError(
                f"tensor {name!r} has type {entry.type} and {entry.values} values, "
                f"expected type {kind} and {expected}"
            )
        if entry.num_bytes != expected * value_bytes:
            raise ModelCorruptError(
                f"tensor {name!r} takes {entry.num_bytes} bytes, "
                f"expected {expected * value_bytes:.0f}"
            )
        return entry


def dequantise(blocks: NDArray[np.void]) -> NDArray[np.float32]:
    """Q4_0 blocks (rows, n) to float32 weights (rows, 32 n): exact, d * (nibble - 8)."""
    nibbles = np.concatenate([blocks["q"] & 0x0F, blocks["q"] >> 4], axis=-1)  # (rows, n, 32)
    scales = blocks["d"].astype(np.float32)[..., None]  # (rows, n, 1)
    weights = (nibbles.astype(np.float32) - np.float32(8)) * scales
    return weights.reshape(blocks.shape[0], -1)


def load_e5(path: Path) -> E5File:
    """Read and check a file. Raises ModelCorruptError that says what does not fit."""
    cursor = _Cursor(path.read_bytes())
    if cursor.take(4, "the magic") != MAGIC:
        raise ModelCorruptError(f"{path.name} does not start with {MAGIC.decode()}: not an E5 file")
    (version,) = cursor.unpack("<I", "the version")
    if version != 1:
        raise ModelCorruptError(f"{path.name} has version {version}; this reader knows version 1")
    shape = _read_shape(cursor)
    vocabulary = _read_vocabulary(cursor, shape)
    _skip_code_points(cursor)
    return E5File(shape, vocabulary, _read_directory(cursor), cursor.data)


class _Cursor:
    """A position in the bytes that cannot pass their end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._at = 0

    def take(self, count: int, what: str) -> bytes:
        end = self._at + count
        if count < 0 or end > len(self.data):
            raise ModelCorruptError(
                f"the E5 file is cut short or damaged: {what} needs {count} bytes at {self._at}, "
                f"and the file has {len(self.data)}"
            )
        taken = self.data[self._at : end]
        self._at = end
        return taken

    def unpack(self, layout: str, what: str) -> tuple[int, ...]:
        return struct.unpack(layout, self.take(struct.calcsize(layout), what))


def _read_shape(cursor: _Cursor) -> E5Shape:
    sizes = cursor.unpack("<7i", "the header")
    (epsilon,) = struct.unpack("<f", cursor.take(4, "the epsilon"))
    (block,) = cursor.unpack("<i", "the block size")
    if not all(0 < size <= MAX_DIMENSION for size in sizes):
        raise ModelCorruptError(f"the E5 header has impossible sizes: {sizes}")
    hidden, layers, heads, intermediate, vocabulary, positions, token_types = sizes
    shape = E5Shape(
        hidden, layers, heads, intermediate, vocabulary, positions, token_types, epsilon
    )
    if block != BLOCK_WEIGHTS or shape.hidden % block or shape.intermediate % block:
        raise ModelCorruptError(f"{shape} does not divide into blocks of {block} weights")
    if shape.hidden % shape.heads or not 0 < epsilon < 1:
        raise ModelCorruptError(f"the E5 header does not fit together: {shape}")
    return shape


def _read_vocabulary(cursor: _Cursor, shape: E5Shape) -> E5Vocabulary:
    count, *special = cursor.unpack("<5i", "the vocabulary header")
    (text_bytes,) = cursor.unpack("<Q", "the vocabulary size")
    if not 0 < count <= shape.vocabulary or not all(0 <= piece < count for piece in special):
        raise ModelCorruptError(
            f"{count} pieces and special ids {special} do not fit {shape.vocabulary} embeddings"
        )
    offsets = np.frombuffer(cursor.take(4 * (count + 1), "the piece offsets"), "<u4").tolist()
    scores = np.frombuffer(cursor.take(4 * count, "the piece scores"), "<f4")
    text = cursor.take(text_bytes, "the pieces")
    if offsets[0] != 0 or offsets[-1] != text_bytes or offsets != sorted(offsets):
        raise ModelCorruptError("the piece offsets of the E5 file are out of order")
    if not np.isfinite(scores).all():
        raise ModelCorruptError("the piece scores of the E5 file are not all finite")
    return E5Vocabulary(_decode_pieces(text, offsets), tuple(scores.tolist()), *special)


def _decode_pieces(text: bytes, offsets: list[int]) -> tuple[str, ...]:
    try:
        return tuple(text[start:end].decode() for start, end in pairwise(offsets))
    except UnicodeDecodeError as error:
        raise ModelCorruptError(f"a piece of the E5 file is not UTF-8: {error}") from error


def _skip_code_points(cursor: _Cursor) -> None:
    """Step over the normalisation map: NMT and NFKC say the same (see `e5_tokenizer`)."""
    (entries,) = cursor.unpack("<i", "the code point map")
    (num_bytes,) = cursor.unpack("<I", "the size of the code point map")
    if entries < 0 or num_bytes < 5 * entries:
        raise ModelCorruptError(f"{entries} code point entries cannot take {num_bytes} bytes")
    cursor.take(num_bytes, "the code point map")


def _read_directory(cursor: _Cursor) -> dict[str, TensorEntry]:
    (count,) = cursor.unpack("<i", "the tensor directory")
    tensors: dict[str, TensorEntry] = {}
    for _ in range(count):
        (length,) = cursor.unpack("<H", "a tensor's name length")
        name = cursor.take(length, "a tensor's name").decode("ascii", errors="replace")
        entry = TensorEntry(*cursor.unpack("<BIQQ", f"the entry of tensor {name!r}"))
        if entry.offset + entry.num_bytes > len(cursor.data):
            raise ModelCorruptError(
                f"the E5 file is cut short: tensor {name!r} ends at byte "
                f"{entry.offset + entry.num_bytes}, and the file has {len(cursor.data)}"
            )
        tensors[name] = entry
    return tensors
