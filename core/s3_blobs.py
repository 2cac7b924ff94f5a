"""Blobs behind the protocol of S3: AWS, or a server of one's own. Knows no credentials by name.

Received bytes lie in a folder of this machine until their hash is known, which is their name; an
object appears whole, at the end of its upload. The server checks every request's SHA-256, which is
part of its signature; what is read is checked here. Requests that fail are tried again with growing
pauses, and a download that was cut goes on where it was cut.
"""

import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from core.blobs import FolderBlobStore, PendingBlob, blob_path, check_whole
from core.errors import BlobMissingError, BlobStoreRefusedError, BlobStoreUnavailableError

if TYPE_CHECKING:
    from obstore import GetOptions, GetResult
    from obstore.store import S3Config

_PART_BYTES: Final = 8 << 20
_PARTS_AT_ONCE: Final = 4
_READ_BYTES: Final = 1 << 20
_CONNECT_S: Final = 5.0
# Of one request or download; its silence ends it much earlier.
_WHOLE_S: Final = 3600.0
_MAX_RETRIES: Final = 5
_MAX_PAUSE_S: Final = 4.0
_RETRY_WITHIN_S: Final = 120.0
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_CODE: Final = re.compile(r"<Code>(\w{1,64})</Code>")
_STATUS: Final = re.compile(r"status code: (\d{3})")
_NO_BUCKET: Final = "NoSuchBucket"
# timeout, conflict, too many requests
_MENDED_BY_TIME: Final = ("408", "409", "429")


@dataclass(frozen=True, slots=True)
class S3Place:
    """Which bucket, where in it, and how it is reached; the keys are AWS's own where None."""

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    timeout_s: float = 30.0

    def __repr__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"


class S3BlobStore:
    """Blobs as objects `PREFIX/ab/abcdef...`."""

    def __init__(self, place: S3Place, receiving: Path) -> None:
        """`receiving` is a folder of this machine for bytes on their way in. Reaches nothing."""
        self._place = place
        self._store = _build_store(place)
        # the same files and the same sweep as where blobs lie in a folder
        self._received = FolderBlobStore(receiving)
        self._incoming = receiving / "incoming"

    def begin(self) -> PendingBlob:
        """Start receiving bytes, on this machine's disk."""
        return PendingBlob(self._incoming, prepare=self._upload, place=self._confirm)

    def read(self, sha256: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes, some at a time. Raises `BlobMissingError`, `BlobDamagedError`."""
        if end is not None and end <= start:
            return iter(())
        options: GetOptions = {}
        if end is not None:
            options["range"] = (start, end)
        elif start:
            options["range"] = {"offset": start}
        with self._errors_of(sha256):
            found = obstore.get(self._store, _key(sha256), options=options)
        return check_whole(self._chunks(found, sha256), sha256, start=start, end=end)

    @contextmanager
    def local_file(self, sha256: str, folder: Path) -> Iterator[Path]:
        """A copy below the folder, for as long as the block. Raises as `read` does."""
        with tempfile.TemporaryDirectory(dir=folder, prefix="parse-blob-") as place:
            path = Path(place) / sha256
            with path.open("wb") as file:
                for data in self.read(sha256):
                    file.write(data)
            yield path

    def delete(self, sha256s: Iterable[str]) -> None:
        """Remove the objects, up to a thousand by one request."""
        keys = [_key(sha256) for sha256 in sha256s]
        with self._errors_of("several"):
            if keys:
                obstore.delete(self._store, keys)

    def list(self) -> Iterator[str]:
        """Every hash in the store."""
        return (sha256 for sha256, _ in self._list())

    def list_older(self, seconds: float) -> Iterator[str]:
        """Every hash that came into the store so long ago, by the server's clock."""
        moment = self._clock()
        return (sha256 for sha256, modified_s in self._list() if moment - modified_s >= seconds)

    def list_incoming(self) -> Sequence[Path]:
        """What is being received by this machine, or was when its receiver died."""
        return self._received.list_incoming()

    def sweep_incoming(self) -> int:
        """Remove what interrupted uploads left on this machine."""
        return self._received.sweep_incoming()

    def keeps_deleted(self) -> bool:
        """Put, read and delete a few bytes; whether the bucket keeps versions of what is deleted.

        Raises `BlobStoreRefusedError`, `BlobStoreUnavailableError`.
        """
        key = f"probe/{uuid4().hex}"
        with self._errors_of(key):
            version = obstore.put(self._store, key, b"probe")["version"]
            obstore.get(self._store, key).bytes()
            obstore.delete(self._store, [key])
        # "null" is what a bucket says whose versions were suspended
        return version not in (None, "", "null")

    def _upload(self, path: Path, sha256: str) -> None:
        with self._errors_of(sha256):
            obstore.put(
                self._store,
                _key(sha256),
                path,
                chunk_size=_PART_BYTES,
                max_concurrency=_PARTS_AT_ONCE,
            )

    def _confirm(self, path: Path, sha256: str) -> None:
        """Make sure that nobody deleted it since it was uploaded: whoever does holds a lock."""
        try:
            with self._errors_of(sha256):
                found = obstore.head(self._store, _key(sha256))
        except BlobMissingError:
            self._upload(path, sha256)
        else:
            if found["size"] != path.stat().st_size:
                self._upload(path, sha256)

    def _chunks(self, found: "GetResult", sha256: str) -> Iterator[bytes]:
        with self._errors_of(sha256):
            for chunk in found.stream(min_chunk_size=_READ_BYTES):
                yield bytes(chunk)

    def _list(self) -> Iterator[tuple[str, float]]:
        """Hashes with the moments when they came."""
        with self._errors_of("several"):
            for batch in obstore.list(self._store):
                for each in batch:
                    name = each["path"].rpartition("/")[2]
                    if _SHA256.fullmatch(name):
                        yield name, each["last_modified"].timestamp()

    def _clock(self) -> float:
        key = f"probe/{uuid4().hex}"
        with self._errors_of(key):
            obstore.put(self._store, key, b"")
            moment = obstore.head(self._store, key)["last_modified"]
            obstore.delete(self._store, [key])
        return moment.timestamp()

    @contextmanager
    def _errors_of(self, subject: str) -> Iterator[None]:
        """Turn the client's errors into ours.

        Theirs are not chained: replies of servers repeat the id of the key and what was signed.
        """
        try:
            yield
        except (BaseError, FileNotFoundError) as error:
            status, code = _told_by(error)
            if status == "404" and code != _NO_BUCKET:
                raise BlobMissingError(f"blob {subject} is not in {self._place}") from None
            if status.startswith(("3", "4")) and status not in _MENDED_BY_TIME:
                raise BlobStoreRefusedError(
                    f"{self._place} refuses ({code}): look at CIMIENTO_BLOBS__URL, its endpoint, "
                    "region and keys, and at what the keys may do in the bucket"
                ) from None
            raise BlobStoreUnavailableError(
                f"{self._place} does not answer as it should ({code})"
            ) from None


def _build_store(place: S3Place) -> S3Store:
    config: S3Config = {}
    if place.access_key is not None and place.secret_key is not None:
        config["access_key_id"] = place.access_key
        config["secret_access_key"] = place.secret_key
    if place.endpoint is not None:
        config["endpoint"] = place.endpoint
    if place.region is not None:
        config["region"] = place.region
    return S3Store(
        place.bucket,
        prefix=place.prefix or None,
        config=config,
        client_options={
            "allow_http": (place.endpoint or "").startswith("http://"),
            "connect_timeout": timedelta(seconds=_CONNECT_S),
            "read_timeout": timedelta(seconds=place.timeout_s),
            "timeout": timedelta(seconds=_WHOLE_S),
        },
        retry_config={
            "max_retries": _MAX_RETRIES,
            "retry_timeout": timedelta(seconds=_RETRY_WITHIN_S),
            "backoff": {"max_backoff": timedelta(seconds=_MAX_PAUSE_S)},
        },
    )


def _key(sha256: str) -> str:
    # the same names as in a folder, so that one can be copied into the other
    return str(blob_path(Path(), sha256))


def _told_by(error: BaseException) -> tuple[str, str]:
    """The status, or none, and what may be told of an error of the client: no more of its text."""
    text = str(error)
    status, code = _STATUS.search(text), _CODE.search(text)
    if status is None:
        is_refused = "error sending request" in text
        return "", "no connection" if is_refused else "connection broken"
    return status[1], status[1] if code is None else code[1]
