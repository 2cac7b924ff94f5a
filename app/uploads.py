"""Receive a document as it streams in. Refuses the wrong size or kind before the body ends."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio.to_thread
from fastapi import Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.edge import lift_body_limit
from app.errors import FieldFault, InvalidRequestError
from core.blobs import PendingBlob
from ingestion.errors import DocumentTooLargeError, StorageFullError
from ingestion.media_types import detect_media_type
from ingestion.uploads import MAX_PASSWORD_CHARS

# Room for boundaries, headers and the fields beside the file.
_MAX_OVERHEAD_BYTES: Final = 256 * 1024
_MAX_FIELD_BYTES: Final = 128 * 1024
_MAX_HEADER_BYTES: Final = 16 * 1024
# Bytes that are hashed and written at once, in a thread.
_BATCH_BYTES: Final = 512 * 1024
# Enough to tell what most files are. A container is known only once it is whole.
_SNIFF_BYTES: Final = 64 * 1024
_CONTAINERS: Final = (b"PK", b"\xd0\xcf\x11\xe0")
_FILE: Final = "file"
_FIELDS: Final = frozenset({"metadata", "password"})


@dataclass(frozen=True, slots=True)
class ReceivedUpload:
    """What came beside the bytes, which are in the pending blob."""

    name: str
    media_type: str
    metadata: str | None
    password: str | None = field(default=None, repr=False)


@contextmanager
def _room() -> Iterator[None]:
    """Raise `StorageFullError` where what is written inside finds no room."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFullError("there is no room left for the document") from error
        raise


async def receive_upload(request: Request, blob: PendingBlob, *, max_bytes: int) -> ReceivedUpload:
    """Stream the field `file` of a multipart body into the blob.

    Raises `DocumentTooLargeError` and `UnsupportedMediaTypeError` as soon as they are certain,
    `InvalidRequestError` for a malformed body, `StorageFullError`.
    """
    lift_body_limit(request.scope)
    form = _Form(_boundary_of(request), blob, max_bytes=max_bytes)
    form.refuse_length(int(request.headers.get("content-length", "0")))
    batch = bytearray()
    async for data in request.stream():
        batch += data
        if len(batch) >= _BATCH_BYTES:
            await anyio.to_thread.run_sync(form.feed, bytes(batch))
            batch.clear()
    return await anyio.to_thread.run_sync(form.finish, bytes(batch))


def _boundary_of(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise InvalidRequestError(
            "send multipart/form-data with the document in the field 'file'",
            FieldFault(_FILE, "is missing: the body is not multipart/form-data"),
        )
    return boundary


@dataclass(slots=True)
class _Part:
    """The part of the body that is being read."""

    header_name: bytearray = field(default_factory=bytearray)
    header_value: bytearray = field(default_factory=bytearray)
    disposition: bytes = b""
    num_header_bytes: int = 0
    name: str = ""
    value: bytearray = field(default_factory=bytearray)


class _Form:
    """A multipart body, parsed as it comes; the file goes to the blob, fields stay in memory."""

    def __init__(self, boundary: bytes, blob: PendingBlob, *, max_bytes: int) -> None:
        self._blob = blob
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._part = _Part()
        self._file_name: str | None = None
        self._fields: dict[str, str] = {}
        self._is_whole = False
        self._is_sniffed = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
        )

    def refuse_length(self, num_bytes: int) -> None:
        """Raise `DocumentTooLargeError` where so long a body cannot hold a fitting file."""
        if num_bytes > self._max_bytes + _MAX_OVERHEAD_BYTES:
            raise self._too_large()

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body."""
        self._num_bytes += len(data)
        self.refuse_length(self._num_bytes)
        try:
            with _room():
                self._parser.write(data)
        except MultipartParseError as error:
            raise InvalidRequestError(f"the multipart body is malformed: {error}") from error
        self._sniff()

    def finish(self, data: bytes) -> ReceivedUpload:
        """Take the last bytes, and judge the whole."""
        self.feed(data)
        if not self._is_whole:
            raise InvalidRequestError("the multipart body ends before its closing boundary")
        if self._file_name is None:
            raise InvalidRequestError(
                "the body has no field 'file'", FieldFault(_FILE, "is missing")
            )
        with _room():
            path = self._blob.path
        return ReceivedUpload(
            self._file_name,
            detect_media_type(path, self._file_name),
            self._fields.get("metadata"),
            self._password(),
        )

    def _password(self) -> str | None:
        password = self._fields.get("password") or None
        if password is not None and len(password) > MAX_PASSWORD_CHARS:
            fault = FieldFault("password", f"is longer than {MAX_PASSWORD_CHARS} characters")
            raise InvalidRequestError("the password is too long", fault)
        return password

    def _sniff(self) -> None:
        if self._is_sniffed or self._blob.num_bytes < _SNIFF_BYTES:
            return
        self._is_sniffed = True
        with _room():
            path = self._blob.path
        if not _head_of(path).startswith(_CONTAINERS):
            detect_media_type(path, self._file_name or "")

    def _too_large(self) -> DocumentTooLargeError:
        return DocumentTooLargeError(
            f"the document is larger than {self._max_bytes} bytes; "
            "CIMIENTO_SERVER__MAX_UPLOAD_BYTES sets the limit"
        )

    def _on_part_begin(self) -> None:
        self._part = _Part()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._part.header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._part.header_value += data[start:end]

    def _count_header(self, num_bytes: int) -> None:
        self._part.num_header_bytes += num_bytes
        if self._part.num_header_bytes > _MAX_HEADER_BYTES:
            raise InvalidRequestError("the headers of a part of the body are too long")

    def _on_header_end(self) -> None:
        if self._part.header_name.lower() == b"content-disposition":
            self._part.disposition = bytes(self._part.header_value)
        self._part.header_name.clear()
        self._part.header_value.clear()

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._part.disposition)
        name = options.get(b"name", b"").decode(errors="replace")
        self._part.name = name
        if name == _FILE:
            if self._file_name is not None:
                raise InvalidRequestError(
                    "one upload holds one document", FieldFault(_FILE, "is there twice")
                )
            self._file_name = options.get(b"filename", b"").decode(errors="replace")
        elif name not in _FIELDS:
            raise InvalidRequestError(
                "the form has a field that is not known", FieldFault(name[:64], "is not known")
            )

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._part.name == _FILE:
            if self._blob.num_bytes + end - start > self._max_bytes:
                raise self._too_large()
            self._blob.write(data[start:end])
            return
        self._part.value += data[start:end]
        if len(self._part.value) > _MAX_FIELD_BYTES:
            name = self._part.name
            raise InvalidRequestError(f"{name} is too long", FieldFault(name, "is too long"))

    def _on_part_end(self) -> None:
        if self._part.name != _FILE:
            self._fields[self._part.name] = self._part.value.decode(errors="replace")

    def _on_end(self) -> None:
        self._is_whole = True


def _head_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(max(len(mark) for mark in _CONTAINERS))
