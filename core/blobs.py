"""Content-addressed blobs in a folder. A blob is whole or absent; its name is its SHA-256."""

import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from core.errors import BlobMissingError

_READ_BYTES = 1 << 20


class BlobStore(Protocol):
    """Bytes by their hash. A folder today; an object store keeps the same contract."""

    def begin(self) -> "PendingBlob":
        """Start receiving bytes that are not yet part of the store."""
        ...

    def path(self, sha256: str) -> Path:
        """A readable file with these bytes. Raises `BlobMissingError`."""
        ...

    def delete(self, sha256: str) -> None:
        """Remove the bytes; no error where they are already gone."""
        ...

    def list(self) -> Iterator[str]:
        """Every hash in the store."""
        ...

    def list_incoming(self) -> Sequence[Path]:
        """What is being received, or was when its receiver died."""
        ...


class PendingBlob:
    """Bytes on their way in: hashed as they arrive, kept only by `keep`.

    Use as a context manager; leaving it without `keep` removes what was received.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        handle, name = tempfile.mkstemp(dir=root / "incoming")
        self._file = os.fdopen(handle, "wb")
        self._path = Path(name)
        self._hash = hashlib.sha256()
        self.num_bytes = 0

    @property
    def sha256(self) -> str:
        """Hash of what has arrived so far."""
        return self._hash.hexdigest()

    @property
    def path(self) -> Path:
        """The file as received so far, flushed."""
        self._file.flush()
        return self._path

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._file.write(data)
        self._hash.update(data)
        self.num_bytes += len(data)

    def write_file(self, path: Path) -> None:
        """Append the bytes of a file. Raises `FileNotFoundError`."""
        with path.open("rb") as file:
            while data := file.read(_READ_BYTES):
                self.write(data)

    def keep(self) -> None:
        """Make the bytes part of the store, durably. Does nothing where they already are."""
        self._file.flush()
        os.fsync(self._file.fileno())
        target = blob_path(self._root, self.sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        # replace: a reader sees the whole blob or none; equal bytes may replace equal bytes.
        self._path.replace(target)
        sync_folder(target.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


class FolderBlobStore:
    """Blobs as files `ab/abcdef...` below one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        (root / "incoming").mkdir(parents=True, exist_ok=True)

    def begin(self) -> PendingBlob:
        """Start receiving bytes."""
        return PendingBlob(self._root)

    def path(self, sha256: str) -> Path:
        """The file with these bytes. Raises `BlobMissingError`."""
        path = blob_path(self._root, sha256)
        if not path.is_file():
            raise BlobMissingError(f"blob {sha256} is not in {self._root}")
        return path

    def delete(self, sha256: str) -> None:
        """Remove the bytes."""
        blob_path(self._root, sha256).unlink(missing_ok=True)

    def list(self) -> Iterator[str]:
        """Every hash in the store."""
        for folder in self._root.glob("??"):
            yield from (path.name for path in folder.iterdir())

    def list_incoming(self) -> Sequence[Path]:
        """What is being received, or was when its receiver died."""
        return sorted((self._root / "incoming").iterdir())

    def sweep_incoming(self) -> int:
        """Remove what an interrupted upload left; call it only while nothing is being received."""
        left = self.list_incoming()
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)


def blob_path(root: Path, sha256: str) -> Path:
    """Where a blob lives below the root."""
    return root / sha256[:2] / sha256


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(_READ_BYTES):
            digest.update(data)
    return digest.hexdigest()


def sync_folder(folder: Path) -> None:
    """Make a rename inside the folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
