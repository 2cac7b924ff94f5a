"""Read a GGUF file's metadata and tensors. Refuses any length that the file's own size contradicts.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little-endian.
Everything is read from one memory map; tensor bytes are touched only when a tensor is loaded.
"""

import math
import mmap
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import numpy as np

from generation.engine.errors import GgufError
from generation.engine.ggml_types import ByteArray, FloatArray, GgmlType, dequantize, get_ggml_type

Scalar = int | float | bool | str
Value = Scalar | list[Scalar]
T = TypeVar("T", int, float, str)
Entry = TypeVar("Entry")

_MAGIC: Final = b"GGUF"
_VERSIONS: Final = (2, 3)
_MAX_DIMS: Final = 4
_STRING: Final = 8
_ARRAY: Final = 9
_SCALARS: Final = {
    number: struct.Struct("<" + code)
    for number, code in {
        0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
    }.items()
}  # fmt: skip
_U32: Final = _SCALARS[4]
_U64: Final = _SCALARS[10]


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Where a tensor lies. `shape` has rows first, the reverse of the file's own order."""

    name: str
    shape: tuple[int, ...]
    ggml_type: GgmlType
    offset: int  # from the start of the file
    num_bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """A tensor as it lies in the file, for those who repack it without loss."""

    rows: ByteArray  # (rows of all leading dimensions, bytes of a row's blocks); read-only
    ggml_type: GgmlType
    shape: tuple[int, ...]


class GgufFile:
    """An open GGUF file: typed metadata getters and float32 tensors. Use it as a context manager.

    Raises GgufError (what and at which byte) for a damaged file and UnsupportedModelError for a
    tensor type this engine cannot read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            if size < len(_MAGIC) + _U32.size + 2 * _U64.size:
                raise GgufError(f"{path.name} has {size} bytes, too few for a GGUF header")
            self._map = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            self.metadata, self.tensors = _Parser(self._map, path.name).parse()
        except BaseException:
            self._map.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._map.close()

    def load_tensor(self, name: str) -> FloatArray:
        """Dequantise one tensor to float32 in its row-major shape; the caller owns the memory."""
        blocks = self.load_blocks(name)
        values = dequantize(blocks.rows, blocks.ggml_type).reshape(blocks.shape)
        return np.array(values, dtype=np.float32, copy=not values.flags.writeable)

    def load_blocks(self, name: str) -> Blocks:
        """One tensor's bytes, still quantised."""
        info = self.tensors.get(name)
        if info is None:
            raise GgufError(f"{self.path.name} has no tensor {name!r}")
        raw = np.frombuffer(self._map[info.offset : info.offset + info.num_bytes], dtype=np.uint8)
        return Blocks(raw.reshape(math.prod(info.shape[:-1]), -1), info.ggml_type, info.shape)

    def get_int(self, key: str, *, default: int | None = None) -> int:
        return self._get(key, int, default)

    def get_float(self, key: str, *, default: float | None = None) -> float:
        return self._get(key, float, default)

    def get_str(self, key: str, *, default: str | None = None) -> str:
        return self._get(key, str, default)

    def get_strings(self, key: str) -> list[str]:
        return self._get_list(key, str)

    def get_ints(self, key: str) -> list[int]:
        return self._get_list(key, int)

    def _get(self, key: str, kind: type[T], default: T | None) -> T:
        value = self.metadata.get(key)
        if value is None:
            if default is None:
                raise GgufError(f"{self.path.name} has no metadata key {key!r}")
            return default
        if not isinstance(value, kind) or (isinstance(value, bool)):
            raise GgufError(
                f"{self.path.name}: {key!r} is {type(value).__name__}, expected {kind.__name__}"
            )
        return value

    def _get_list(self, key: str, kind: type[T]) -> list[T]:
        value = self.metadata.get(key)
        if value is None:
            raise GgufError(f"{self.path.name} has no metadata key {key!r}")
        if not isinstance(value, list):
            raise GgufError(f"{self.path.name}: {key!r} is {type(value).__name__}, expected a list")
        items = [item for item in value if isinstance(item, kind)]
        if len(items) != len(value):
            raise GgufError(f"{self.path.name}: {key!r} holds items that are not {kind.__name__}")
        return items


class _Parser:
    """A cursor over the map; every read says what it wants, so that an error can name it."""

    def __init__(self, data: mmap.mmap, name: str) -> None:
        self._data = data
        self._size = len(data)
        self._name = name
        self._pos = 0

    def parse(self) -> tuple[dict[str, Value], dict[str, TensorInfo]]:
        num_tensors, num_keys = self._read_header()
        metadata = self._read_unique(num_keys, 13, "metadata keys", self._read_key_value)
        infos = self._read_unique(num_tensors, 24, "tensors", self._read_tensor_info)
        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment < 8 or alignment % 8:
            raise self._error(f"general.alignment is {alignment!r}, expected a multiple of 8")
        start = -(-self._pos // alignment) * alignment
        return metadata, {name: self._place(info, start) for name, info in infos.items()}

    def _read_header(self) -> tuple[int, int]:
        magic = self._take(4, "the magic number")
        if magic != _MAGIC:
            raise self._error(f"starts with {magic!r}, not {_MAGIC!r}: not a GGUF file")
        version = self._scalar(_U32, "the version")
        if version not in _VERSIONS:
            hint = " (a big-endian file)" if version & 0xFFFF == 0 else ""
            raise self._error(f"GGUF version {version}{hint}; versions 2 and 3 are read")
        return self._length("the tensor count"), self._length("the metadata count")

    def _read_unique(
        self, count: int, min_bytes: int, what: str, read: Callable[[], tuple[str, Entry]]
    ) -> dict[str, Entry]:
        self._check_room(count * min_bytes, f"{count} {what}")
        entries: dict[str, Entry] = {}
        for _ in range(count):
            name, entry = read()
            if name in entries:
                raise self._error(f"{name!r} appears twice among the {what}")
            entries[name] = entry
        return entries

    def _read_key_value(self) -> tuple[str, Value]:
        key = self._string("a metadata key")
        kind = self._scalar(_U32, f"the type of {key!r}")
        if kind == _ARRAY:
            return key, self._array(key)
        return key, self._value(kind, key)

    def _read_tensor_info(self) -> tuple[str, TensorInfo]:
        name = self._string("a tensor name")
        num_dims = self._scalar(_U32, f"the dimension count of {name!r}")
        if not 1 <= num_dims <= _MAX_DIMS:
            raise self._error(f"tensor {name!r} has {num_dims} dimensions")
        dims = [self._length(f"a dimension of {name!r}") for _ in range(num_dims)]
        ggml_type = get_ggml_type(self._scalar(_U32, f"the type of {name!r}"), tensor=name)
        offset = self._length(f"the offset of {name!r}")
        if 0 in dims or dims[0] % ggml_type.block_len:
            raise self._error(
                f"tensor {name!r} of shape {dims} does not fill {ggml_type.name} blocks"
            )
        num_bytes = math.prod(dims) // ggml_type.block_len * ggml_type.block_bytes
        return name, TensorInfo(name, tuple(reversed(dims)), ggml_type, offset, num_bytes)

    def _place(self, info: TensorInfo, start: int) -> TensorInfo:
        offset = start + info.offset
        if offset + info.num_bytes > self._size:
            raise self._error(
                f"tensor {info.name!r} would end at byte {offset + info.num_bytes} of {self._size}"
            )
        return TensorInfo(info.name, info.shape, info.ggml_type, offset, info.num_bytes)

    def _array(self, key: str) -> list[Scalar]:
        kind = self._scalar(_U32, f"the item type of {key!r}")
        count = self._length(f"the length of {key!r}")
        if kind == _STRING:
            self._check_room(count * _U64.size, f"{count} strings of {key!r}")
            return [self._string(key) for _ in range(count)]
        item = self._struct(kind, key)
        raw = self._take(count * item.size, f"{count} items of {key!r}")
        return [value for (value,) in item.iter_unpack(raw)]

    def _value(self, kind: int, key: str) -> Scalar:
        if kind == _STRING:
            return self._string(key)
        item = self._struct(kind, key)
        value: Scalar = item.unpack(self._take(item.size, repr(key)))[0]
        return value

    def _struct(self, kind: int, key: str) -> struct.Struct:
        if kind not in _SCALARS:
            raise self._error(f"{key!r} has value type {kind}, which is not read")
        return _SCALARS[kind]

    def _string(self, what: str) -> str:
        raw = self._take(self._length(what), what)
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._error(f"{what} is not UTF-8") from error

    def _length(self, what: str) -> int:
        return self._scalar(_U64, what)

    def _scalar(self, layout: struct.Struct, what: str) -> int:
        number: int = layout.unpack(self._take(layout.size, what))[0]
        return number

    def _take(self, count: int, what: str) -> bytes:
        self._check_room(count, what)
        start, self._pos = self._pos, self._pos + count
        return self._data[start : self._pos]

    def _check_room(self, count: int, what: str) -> None:
        if count > self._size - self._pos:
            raise self._error(f"{what} needs {count} bytes, {self._size - self._pos} are left")

    def _error(self, fact: str) -> GgufError:
        return GgufError(f"{self._name} at byte {self._pos}: {fact}; fetch the file again")
