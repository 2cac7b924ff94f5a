"""Compound files (OLE2): the container of DOC, XLS, PPT and MSG. Reads streams; knows no format.

After [MS-CFB]. Every chain is bounded by the file's size, so that no cycle holds a reader.
"""

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

MARK: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

_HEADER_BYTES: Final = 512
_MAX_REGULAR: Final = 0xFFFFFFFA
_NO_STREAM: Final = 0xFFFFFFFF
_ENTRY_BYTES: Final = 128
_MAX_ENTRIES: Final = 100_000
_STORAGE, _STREAM, _ROOT = 1, 2, 5

Path = tuple[str, ...]
"""Names from the root down."""


class CompoundFileError(ValueError):
    """The container is damaged, or none."""


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    kind: int
    left: int
    right: int
    child: int
    start: int
    size: int


class CompoundFile:
    """The streams of an open compound file, by their path."""

    def __init__(self, file: BinaryIO) -> None:
        """Read the directory. Raises `CompoundFileError`."""
        self._file = file
        file.seek(0, 2)
        self._num_bytes = file.tell()
        header = self._at(0, _HEADER_BYTES)
        if not header.startswith(MARK) or len(header) < _HEADER_BYTES:
            raise CompoundFileError("not a compound file")
        shift, mini_shift = struct.unpack_from("<HH", header, 30)
        if shift not in (9, 12) or mini_shift != 6:
            raise CompoundFileError("the sectors have no known size")
        self._sector_bytes, self._mini_bytes = 1 << shift, 1 << mini_shift
        self._max_sectors = self._num_bytes // self._sector_bytes + 1
        first_directory, _, self._mini_cutoff, first_mini = struct.unpack_from("<4I", header, 48)
        self._fat = self._read_fat(header)
        self._mini_fat = _integers(self._chain(first_mini))
        entries = self._read_entries(first_directory)
        self._mini_stream = self._chain(entries[0].start) if entries[0].size else b""
        self._streams = {path: entry for path, entry in _walk(entries) if entry.kind == _STREAM}

    def paths(self) -> list[Path]:
        """The path of every stream, in the order of the directory's tree."""
        return list(self._streams)

    def read(self, path: Path) -> bytes:
        """A stream's bytes. Raises KeyError where there is none."""
        entry = self._streams[path]
        if entry.size >= self._mini_cutoff:
            return self._chain(entry.start, entry.size)[: entry.size]
        return self._mini_chain(entry.start, entry.size)

    def _at(self, offset: int, num_bytes: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(num_bytes)

    def _sector(self, number: int) -> bytes:
        return self._at((number + 1) * self._sector_bytes, self._sector_bytes)

    def _read_fat(self, header: bytes) -> "array[int]":
        first_difat = struct.unpack_from("<I", header, 68)[0]
        sectors = list(struct.unpack_from("<109I", header, 76))
        number = first_difat
        while number < _MAX_REGULAR and len(sectors) <= self._max_sectors:
            *more, number = _integers(self._sector(number)) or [_NO_STREAM]
            sectors += more
        used = [number for number in sectors if number < _MAX_REGULAR][: self._max_sectors]
        return _integers(b"".join(map(self._sector, used)))

    def _chain(self, start: int, num_bytes: int | None = None) -> bytes:
        wanted = self._max_sectors
        if num_bytes is not None:
            wanted = min(wanted, -(-num_bytes // self._sector_bytes))
        numbers = _follow(self._fat, start, wanted)
        return b"".join(map(self._sector, numbers))

    def _mini_chain(self, start: int, num_bytes: int) -> bytes:
        numbers = _follow(self._mini_fat, start, -(-num_bytes // self._mini_bytes))
        parts = (
            self._mini_stream[number * self._mini_bytes : (number + 1) * self._mini_bytes]
            for number in numbers
        )
        return b"".join(parts)[:num_bytes]

    def _read_entries(self, first: int) -> list[_Entry]:
        data = self._chain(first)[: _MAX_ENTRIES * _ENTRY_BYTES]
        entries = [
            _entry(data[at : at + _ENTRY_BYTES])
            for at in range(0, len(data) - _ENTRY_BYTES + 1, _ENTRY_BYTES)
        ]
        if not entries or entries[0].kind != _ROOT:
            raise CompoundFileError("the directory is damaged")
        return entries


def _entry(data: bytes) -> _Entry:
    name_bytes, kind = struct.unpack_from("<HB", data, 64)
    left, right, child = struct.unpack_from("<III", data, 68)
    start, size = struct.unpack_from("<II", data, 116)
    name = data[: max(0, min(name_bytes, 64) - 2)].decode("utf-16-le", "replace")
    return _Entry(name, kind, left, right, child, start, size)


def _walk(entries: list[_Entry]) -> Iterator[tuple[Path, _Entry]]:
    # siblings form a tree of their own; an entry met twice would be a cycle
    seen: set[int] = set()
    waiting: list[tuple[int, Path]] = [(entries[0].child, ())]
    while waiting:
        number, above = waiting.pop()
        if number >= len(entries) or number in seen:
            continue
        seen.add(number)
        entry = entries[number]
        path = (*above, entry.name)
        yield path, entry
        waiting += [(entry.right, above), (entry.left, above)]
        if entry.kind == _STORAGE:
            waiting.append((entry.child, path))


def _follow(table: "array[int]", start: int, most: int) -> Iterator[int]:
    number = start
    for _ in range(most):
        if number >= len(table):
            return
        yield number
        number = table[number]


def _integers(data: bytes) -> "array[int]":
    values = array("I", data[: len(data) // 4 * 4])
    if values.itemsize != 4:  # pragma: no cover - no platform of ours
        raise CompoundFileError("this platform has no 32-bit integers")
    return values
