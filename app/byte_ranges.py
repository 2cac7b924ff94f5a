"""Bytes that are stored elsewhere as a response: whole, or the one range that was asked for.

Several ranges at once, and what is no range, are answered with the whole (RFC 9110, 14.2).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final
from urllib.parse import quote

from fastapi.responses import Response, StreamingResponse
from starlette.datastructures import Headers

_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")


def send_bytes(
    read: Callable[[int, int], Iterator[bytes]],
    num_bytes: int,
    *,
    asked: Headers,
    headers: Mapping[str, str],
) -> Response:
    """`read(start, end)` gives the bytes from start to before end; `headers` has an ETag.

    Raises what `read` raises before it gives the first bytes. What it raises later breaks the
    connection: the client sees that bytes are missing.
    """
    told = {"Accept-Ranges": "bytes", **headers}
    start, end = _range_of(asked, num_bytes, tag=headers["ETag"])
    if num_bytes and start >= end:
        told["Content-Range"] = f"bytes */{num_bytes}"
        return Response(status_code=416, headers=told)
    status = 200
    if (start, end) != (0, num_bytes):
        status, told["Content-Range"] = 206, f"bytes {start}-{end - 1}/{num_bytes}"
    told["Content-Length"] = str(end - start)
    return StreamingResponse(read(start, end), status_code=status, headers=told)


def attachment(name: str) -> str:
    """The value of `Content-Disposition` that has a browser save the body under this name."""
    quoted = quote(name)
    return (
        f'attachment; filename="{name}"'
        if quoted == name
        else f"attachment; filename*=utf-8''{quoted}"
    )


def _range_of(asked: Headers, num_bytes: int, *, tag: str) -> tuple[int, int]:
    found = _RANGE.fullmatch(asked.get("range", "").replace(" ", ""))
    if found is None or not num_bytes or asked.get("if-range", tag) != tag:
        return 0, num_bytes
    first, last = found.groups()
    if not first:
        # the last so many bytes
        return (max(0, num_bytes - int(last)), num_bytes) if last else (0, num_bytes)
    if last and int(last) < int(first):
        return 0, num_bytes
    return int(first), min(num_bytes, int(last) + 1) if last else num_bytes
