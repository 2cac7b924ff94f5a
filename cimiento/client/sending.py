"""Requests as the HTTP library takes them, files with their progress among them. Sends nothing."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypedDict

from cimiento.client.calls import Call, OnConflict, T, given, upload_path
from cimiento.client.wire import Hear

Progress = Callable[[int, int | None], None]
"""Is told how many bytes were sent, and of how many where that is known."""

Source = Path | str | bytes | BinaryIO
"""A document: a path, its bytes, or an open file."""


class UploadOptions(TypedDict, total=False):
    """How to upload. `name` is the document's; by default that of the file."""

    name: str
    metadata: Mapping[str, Any]
    password: str
    on_conflict: OnConflict


@dataclass(frozen=True, slots=True)
class Sending:
    """A request that can be built again for every try."""

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    json: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    upload: "Outgoing | None" = None
    is_safe: bool = True

    @classmethod
    def of(cls, call: Call[T]) -> "Sending":
        """A call."""
        return cls(call.method, call.path, params=call.params, json=call.json, is_safe=call.is_safe)

    def arguments(self, hear: Hear) -> dict[str, Any]:
        """For `httpx2.Client.build_request`; `hear` is told each step of the request."""
        built: dict[str, Any] = {"method": self.method, "url": self.path}
        built["extensions"] = {"trace": hear}
        built |= {"params": self.params, "headers": self.headers}
        if self.upload is not None:
            return built | self.upload.form()
        return built if self.json is None else built | {"json": self.json}


class _Counted(io.RawIOBase):
    """A file that tells how much of it was read."""

    def __init__(self, file: BinaryIO, progress: Progress | None) -> None:
        self._file = file
        self._progress = progress
        self._num_read = 0
        self._total = _size(file)

    def seekable(self) -> bool:
        return self._total is not None

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if (offset, whence) == (0, io.SEEK_SET):
            self._num_read = 0
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(size)
        self._num_read += len(data)
        if self._progress is not None and data:
            self._progress(self._num_read, self._total)
        return data


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A document on its way."""

    file: _Counted
    name: str
    fields: Mapping[str, str]

    def form(self) -> dict[str, Any]:
        """The multipart body, from the first byte on."""
        if self.file.seekable():
            self.file.seek(0)
        return {"files": {"file": (self.name, self.file)}, "data": self.fields}


@contextmanager
def uploading(
    source: Source, collection: str, progress: Progress | None, options: UploadOptions
) -> Iterator[Sending]:
    """An upload; a path is opened, and closed at the end. Raises `ValueError` without a name."""
    name = options.get("name") or _name_of(source)
    if not name:
        raise ValueError("give the document a name: bytes have none of their own")
    fields = {}
    if (metadata := options.get("metadata")) is not None:
        fields["metadata"] = json.dumps(metadata)
    if (password := options.get("password")) is not None:
        fields["password"] = password
    file, is_ours = _open(source)
    try:
        counted = _Counted(file, progress)
        yield Sending(
            "POST",
            upload_path(collection),
            params=given({"on_conflict": options.get("on_conflict")}),
            upload=Outgoing(counted, name, fields),
            # the same bytes under the same name change nothing
            is_safe=counted.seekable(),
        )
    finally:
        if is_ours:
            file.close()


def _open(source: Source) -> tuple[BinaryIO, bool]:
    if isinstance(source, bytes):
        return io.BytesIO(source), True
    if isinstance(source, str | Path):
        return Path(source).open("rb"), True
    return source, False


def _name_of(source: Source) -> str:
    if isinstance(source, bytes):
        return ""
    path = source if isinstance(source, str | Path) else getattr(source, "name", "")
    return Path(path).name if isinstance(path, str | Path) else ""


def _size(file: BinaryIO) -> int | None:
    if not file.seekable():
        return None
    start = file.tell()
    end = file.seek(0, io.SEEK_END)
    file.seek(start)
    return end
