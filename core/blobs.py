"""Content-addressed blobs, and their store in a folder. A blob is whole or absent; its name is its
SHA-256.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Protocol, Self

from core.durable import stood_still, sync_folder
from core.errors import BlobDamagedError, BlobMissingError

_READ_BYTES: Final = 1 << 20
# What is being received and stood still for so long was left by a process that died.
_ABANDONED_S: Final = 600.0


class BlobStore(Protocol):
    """Bytes by their hash: in a folder, or behind the protocol of S3.

    Whatever reaches for the store may raise `BlobStoreUnavailableError`, which time can mend, or
    `BlobStoreRefusedError`, which only somebody who corrects the settings can.
    """

    def begin(self) -> "PendingBlob":
        """Start receiving bytes that are not yet part of the store."""
        ...

    def read(self, sha256: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` to before `end`, some at a time.

        Raises `BlobMissingError` at once. Of the whole blob the hash is checked before the last
        bytes are given: `BlobDamagedError` comes in their place.
        """
        ...

    def local_file(self, sha256: str, folder: Path) -> AbstractContextManager[Path]:
        """A readable file with these bytes, inside the block only; their hash was checked.

        Where the store is elsewhere, a copy is made below `folder` and removed. Raises
        `BlobMissingError` and `BlobDamagedError`.
        """
        ...

    def delete(self, sha256s: Iterable[str]) -> None:
        """Remove the bytes of each; no error where they are already gone."""
        ...

    def list(self) -> Iterator[str]:
        """Every hash in the store."""
        ...

    def list_older(self, seconds: float) -> Iterator[str]:
        """Every hash that came into the store so long ago, by the store's own clock."""
        ...

    def list_incoming(self) -> Sequence[Path]:
        """What is being received here, or was when its receiver died."""
        ...

    def sweep_incoming(self) -> int:
        """Remove what interrupted uploads left; call it while nobody on this machine receives."""
        ...

    def keeps_deleted(self) -> bool:
        """Put, read and delete a few bytes; whether the store kept them all the same."""
        ...


class PendingBlob:
    """Bytes on their way in: hashed as they arrive, kept only by `keep`.

    Use as a context manager; leaving it without `keep` removes what was received.
    """

    def __init__(
        self,
        folder: Path,
        *,
        prepare: Callable[[Path, str], None],
        place: Callable[[Path, str], None],
    ) -> None:
        """`prepare` and `place` are what the store does with the file and its hash."""
        handle, name = tempfile.mkstemp(dir=folder)
        self._file = os.fdopen(handle, "wb")
        self._path = Path(name)
        self._hash = hashlib.sha256()
        self._prepare = prepare
        self._place = place
        self._is_prepared = False
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
        self._is_prepared = False

    def write_file(self, path: Path) -> None:
        """Append the bytes of a file. Raises `FileNotFoundError`."""
        with path.open("rb") as file:
            while data := file.read(_READ_BYTES):
                self.write(data)

    def prepare(self) -> None:
        """Do what is slow about keeping: whoever keeps inside a transaction does this before."""
        if not self._is_prepared:
            self._prepare(self.path, self.sha256)
            self._is_prepared = True

    def keep(self) -> None:
        """Make the bytes part of the store, durably. Does nothing where they already are."""
        self.prepare()
        self._place(self.path, self.sha256)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        # what is kept is written already; the rest need not be, and on a full disk cannot
        with suppress(OSError):
            self._file.close()
        self._path.unlink(missing_ok=True)


class FolderBlobStore:
    """Blobs as files `ab/abcdef...` below one folder.

    `is_shared`: other machines receive into it too, and no lock of this one speaks for them.
    """

    def __init__(self, root: Path, *, is_shared: bool = False) -> None:
        self._root = root
        self._is_shared = is_shared
        self._incoming.mkdir(parents=True, exist_ok=True)

    def begin(self) -> PendingBlob:
        """Start receiving bytes."""
        return PendingBlob(self._incoming, prepare=_sync_file, place=self._rename)

    def read(self, sha256: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes, some at a time. Raises `BlobMissingError`, `BlobDamagedError`."""
        try:
            file = self.path(sha256).open("rb")
        except FileNotFoundError as error:
            raise _missing(sha256, self._root) from error
        return check_whole(_read(file, start, end), sha256, start=start, end=end)

    @contextmanager
    def local_file(self, sha256: str, folder: Path) -> Iterator[Path]:  # noqa: ARG002 - no copy
        """The file itself. Raises `BlobMissingError`, `BlobDamagedError`."""
        for _ in self.read(sha256):
            pass
        yield self.path(sha256)

    def path(self, sha256: str) -> Path:
        """The file with these bytes. Raises `BlobMissingError`."""
        path = blob_path(self._root, sha256)
        if not path.is_file():
            raise _missing(sha256, self._root)
        return path

    def delete(self, sha256s: Iterable[str]) -> None:
        """Remove the bytes of each."""
        for sha256 in sha256s:
            blob_path(self._root, sha256).unlink(missing_ok=True)

    def list(self) -> Iterator[str]:
        """Every hash in the store."""
        return (path.name for path in self._files())

    def list_older(self, seconds: float) -> Iterator[str]:
        """Every hash that came into the store so long ago."""
        # a new file says what time it is where the folder is
        with tempfile.NamedTemporaryFile(dir=self._incoming) as file:
            moment = os.fstat(file.fileno()).st_mtime
        for path in self._files():
            with suppress(FileNotFoundError):
                if moment - path.stat().st_mtime >= seconds:
                    yield path.name

    def list_incoming(self) -> Sequence[Path]:
        """What is being received, or was when its receiver died."""
        return sorted(self._incoming.iterdir())

    def sweep_incoming(self) -> int:
        """Remove what interrupted uploads left; of a shared folder only what stood still long."""
        left = [
            path
            for path in self.list_incoming()
            if not self._is_shared or stood_still(path, _ABANDONED_S)
        ]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def keeps_deleted(self) -> bool:
        """Write, read and remove a few bytes; a folder keeps nothing."""
        with self.begin() as blob:
            blob.write(b"probe")
            blob.prepare()
            blob.path.read_bytes()
        return False

    @property
    def _incoming(self) -> Path:
        return self._root / "incoming"

    def _files(self) -> Iterator[Path]:
        for folder in self._root.glob("??"):
            yield from folder.iterdir()

    def _rename(self, received: Path, sha256: str) -> None:
        target = blob_path(self._root, sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        # replace: a reader sees the whole blob or none; equal bytes may replace equal bytes.
        received.replace(target)
        sync_folder(target.parent)


def check_whole(
    chunks: Iterator[bytes], sha256: str, *, start: int, end: int | None
) -> Iterator[bytes]:
    """The same bytes; of a whole blob the last ones come only once its hash has proved right.

    Raises `BlobDamagedError`, so that nobody takes damaged bytes for the whole.
    """
    if start or end is not None:
        yield from chunks
        return
    digest, held = hashlib.sha256(), b""
    for chunk in chunks:
        digest.update(chunk)
        if held:
            yield held
        held = chunk
    if digest.hexdigest() != sha256:
        raise BlobDamagedError(f"the bytes of blob {sha256} are not what they should be")
    if held:
        yield held


def is_whole(blobs: BlobStore, sha256: str) -> bool:
    """Whether the store has the bytes, every one of them right."""
    try:
        for _ in blobs.read(sha256):
            pass
    except (BlobMissingError, BlobDamagedError):
        return False
    return True


def _read(file: BinaryIO, start: int, end: int | None) -> Iterator[bytes]:
    with file:
        file.seek(start)
        left = None if end is None else max(0, end - start)
        while data := file.read(_READ_BYTES if left is None else min(left, _READ_BYTES)):
            yield data
            left = None if left is None else left - len(data)


def _missing(sha256: str, root: Path) -> BlobMissingError:
    return BlobMissingError(f"blob {sha256} is not in {root}")


def _sync_file(path: Path, _sha256: str) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


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
