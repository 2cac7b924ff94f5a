"""Copy and hash files in one pass; one lock across processes. Refuses bytes that are not pinned."""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from core.models.errors import ModelCorruptError

BLOCK_BYTES = 1 << 20


def hash_file(path: Path, *, on_bytes: Callable[[int], None] | None = None) -> tuple[int, str]:
    """Size and SHA-256 of a file; `on_bytes` hears how many bytes were read so far."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
            size += len(block)
            if on_bytes is not None:
                on_bytes(size)
    return size, digest.hexdigest()


def copy_stream(
    source: IO[bytes], target: Path, *, on_bytes: Callable[[int], None]
) -> tuple[int, str]:
    """Copy into a new file, fsynced before it is closed. Returns the size and SHA-256 written."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with target.open("xb") as stream:
        while block := source.read(BLOCK_BYTES):
            stream.write(block)
            digest.update(block)
            size += len(block)
            on_bytes(size)
        stream.flush()
        os.fsync(stream.fileno())
    return size, digest.hexdigest()


def require_same(what: str, *, expected: tuple[int, str], got: tuple[int, str]) -> None:
    """Raise ModelCorruptError unless size and SHA-256 are the pinned ones."""
    if expected == got:
        return
    raise ModelCorruptError(
        f"{what} is not the pinned file: expected {expected[0]} bytes with SHA-256 {expected[1]}, "
        f"got {got[0]} bytes with SHA-256 {got[1]}; pull again, or try another source"
    )


def sync_path(path: Path) -> None:
    """fsync a file or a folder, so that a later rename cannot outlive the bytes it names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def exclusive_lock(path: Path, *, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold an advisory lock across processes; the kernel drops it when the holder dies."""
    with path.open("ab") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
