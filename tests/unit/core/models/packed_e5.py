"""Writes an E5S1 file of a few kilobytes, with weights that can be computed by hand."""

import struct
from dataclasses import dataclass, field

import numpy as np

PIECES = ("<s>", "<pad>", "</s>", "<unk>", "▁", "▁la", "▁casa", "s", "a", "<mask>")
SCORES = (0.0, 0.0, 0.0, 0.0, -3.0, -2.0, -1.5, -4.0, -4.5, 0.0)
HIDDEN, LAYERS, HEADS, WIDE, VOCABULARY, POSITIONS, TYPES = 64, 1, 2, 96, 12, 16, 2


def q4_block(scale: float, nibbles: list[int]) -> bytes:
    """One block of 32 weights, `nibbles` in weight order."""
    packed = [low | high << 4 for low, high in zip(nibbles[:16], nibbles[16:], strict=True)]
    return np.float16(scale).tobytes() + bytes(packed)


def q4_matrix(rows: int, columns: int, seed: int) -> bytes:
    """A matrix of random blocks, the same for the same seed."""
    random = np.random.default_rng(seed)
    return b"".join(
        q4_block(float(random.uniform(0.01, 0.1)), random.integers(0, 16, 32).tolist())
        for _ in range(rows * columns // 32)
    )


def floats(count: int, value: float) -> bytes:
    """`count` equal float32 values."""
    return np.full(count, value, "<f4").tobytes()


def tiny_tensors() -> dict[str, tuple[int, int, bytes]]:
    """Every tensor of the file: type, number of values, bytes."""
    tensors: dict[str, tuple[int, int, bytes]] = {}

    def matrix(name: str, rows: int, columns: int) -> None:
        tensors[name] = (1, rows * columns, q4_matrix(rows, columns, len(tensors)))

    def plain(name: str, count: int, value: float) -> None:
        tensors[name] = (0, count, floats(count, value))

    matrix("emb.word", VOCABULARY, HIDDEN)
    plain("emb.pos", POSITIONS * HIDDEN, 0.01)
    plain("emb.type", TYPES * HIDDEN, 0.02)
    plain("emb.ln.w", HIDDEN, 1.0)
    plain("emb.ln.b", HIDDEN, 0.0)
    for short, rows, columns in (
        *((name, HIDDEN, HIDDEN) for name in ("q", "k", "v", "ao")),
        ("fi", WIDE, HIDDEN),
        ("fo", HIDDEN, WIDE),
    ):
        matrix(f"l0.{short}.w", rows, columns)
        plain(f"l0.{short}.b", rows, 0.1)
    for short in ("aln", "oln"):
        plain(f"l0.{short}.w", HIDDEN, 1.0)
        plain(f"l0.{short}.b", HIDDEN, 0.0)
    return tensors


@dataclass
class PackedE5:
    """The parts of a file, each of which a test may spoil before `build`."""

    magic: bytes = b"E5S1"
    version: int = 1
    sizes: tuple[int, ...] = (HIDDEN, LAYERS, HEADS, WIDE, VOCABULARY, POSITIONS, TYPES)
    block: int = 32
    special: tuple[int, ...] = (0, 2, 1, 3)
    pieces: tuple[bytes, ...] = tuple(piece.encode() for piece in PIECES)
    tensors: dict[str, tuple[int, int, bytes]] = field(default_factory=tiny_tensors)

    def build(self) -> bytes:
        """The bytes of the file."""
        head = self.magic + struct.pack("<I", self.version) + struct.pack("<7i", *self.sizes)
        head += struct.pack("<fi", 1e-12, self.block)
        text = b"".join(self.pieces)
        offsets = np.cumsum([0, *map(len, self.pieces)]).astype("<u4").tobytes()
        head += struct.pack("<5iQ", len(self.pieces), *self.special, len(text))
        head += offsets + np.array(SCORES, "<f4").tobytes() + text
        entry = struct.pack("<IBI", 0xA0, 1, 0x20)
        head += struct.pack("<iI", 1, len(entry)) + entry
        directory_bytes = 4 + sum(2 + len(name) + 21 for name in self.tensors)
        offset = len(head) + directory_bytes
        directory, data = struct.pack("<i", len(self.tensors)), b""
        for name, (kind, values, content) in self.tensors.items():
            directory += struct.pack("<H", len(name)) + name.encode()
            directory += struct.pack("<BIQQ", kind, values, offset + len(data), len(content))
            data += content
        return head + directory + data
