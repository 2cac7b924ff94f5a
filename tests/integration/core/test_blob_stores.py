"""One contract for every blob store: what it keeps it keeps whole, what it deletes is gone."""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import obstore
import pytest

from core.blobs import BlobStore, FolderBlobStore, PendingBlob, blob_path, is_whole
from core.errors import BlobDamagedError, BlobMissingError
from core.s3_blobs import S3BlobStore, _build_store
from tests.s3 import S3Server, serving_s3

Damage = Callable[[str, bytes], None]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server that speaks S3."""
    with serving_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(params=["folder", "shared folder", "s3"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which store."""
    return str(request.param)


@pytest.fixture
def store(kind: str, tmp_path: Path, server: S3Server) -> BlobStore:
    """An empty store."""
    if kind == "s3":
        return S3BlobStore(server.place(f"of/{tmp_path.name}"), tmp_path)
    return FolderBlobStore(tmp_path / "blobs", is_shared=kind == "shared folder")


@pytest.fixture
def damage(kind: str, tmp_path: Path, server: S3Server) -> Damage:
    """What puts other bytes in the place of a blob."""

    def damage(sha256: str, data: bytes) -> None:
        path = str(blob_path(Path(), sha256))
        if kind == "s3":
            obstore.put(_build_store(server.place(f"of/{tmp_path.name}")), path, data)
        else:
            (tmp_path / "blobs" / path).write_bytes(data)

    return damage


def keep(store: BlobStore, data: bytes) -> str:
    """Keep bytes; returns their name."""
    with store.begin() as blob:
        blob.write(data)
        blob.keep()
        return blob.sha256


def whole(store: BlobStore, sha256: str) -> bytes:
    """All bytes of a blob."""
    return b"".join(store.read(sha256))


@pytest.mark.parametrize("size", [0, 1, 70_000, (8 << 20) + 1, 21 << 20])
def test_what_is_kept_comes_back(store: BlobStore, size: int) -> None:
    data = os.urandom(size)
    sha256 = keep(store, data)
    assert sha256 == hashlib.sha256(data).hexdigest()
    assert whole(store, sha256) == data
    assert is_whole(store, sha256)
    assert list(store.list()) == [sha256]


@pytest.mark.parametrize(
    ("start", "end"), [(0, 1), (5, None), (3, 9), (9, 9), (2_000_000, 2_500_000), (0, 3_000_000)]
)
def test_a_part_is_read_alone(store: BlobStore, start: int, end: int | None) -> None:
    data = os.urandom(3_000_000)
    sha256 = keep(store, data)
    assert b"".join(store.read(sha256, start=start, end=end)) == data[start:end]


def test_what_is_not_kept_leaves_nothing(store: BlobStore) -> None:
    with store.begin() as blob:
        blob.write(b"half of it")
        assert len(store.list_incoming()) == 1
    assert list(store.list()) == []
    assert store.list_incoming() == []


def test_what_a_killed_receiver_left_is_swept(store: BlobStore, kind: str) -> None:
    with store.begin() as blob:
        blob.write(b"half of it")
        if kind == "shared folder":
            # another machine may be receiving it
            assert store.sweep_incoming() == 0
            os.utime(blob.path, (0, 0))
        assert store.sweep_incoming() == 1
        assert store.list_incoming() == []


def test_bytes_that_are_not_there_are_missed_at_once(store: BlobStore, tmp_path: Path) -> None:
    absent = "0" * 64
    with pytest.raises(BlobMissingError):
        store.read(absent)
    with pytest.raises(BlobMissingError):
        store.read(absent, start=3)
    with pytest.raises(BlobMissingError), store.local_file(absent, tmp_path):
        pass
    assert not is_whole(store, absent)


@pytest.mark.parametrize("wrong", [b"", b"other", b"x" * 3_000_000, b"y" * 3_000_001])
def test_damaged_bytes_are_never_given_as_the_whole(
    store: BlobStore, damage: Damage, wrong: bytes, tmp_path: Path
) -> None:
    data = b"x" * 3_000_001
    sha256 = keep(store, data)
    damage(sha256, wrong)
    given: list[bytes] = []
    with pytest.raises(BlobDamagedError):
        given.extend(store.read(sha256))
    assert len(b"".join(given)) < max(1, len(wrong))
    with pytest.raises(BlobDamagedError), store.local_file(sha256, tmp_path):
        pass
    assert not is_whole(store, sha256)
    assert keep(store, data) == sha256
    assert whole(store, sha256) == data


def test_deleting_takes_what_is_there_and_minds_no_other(store: BlobStore) -> None:
    first, second, third = (keep(store, bytes([each])) for each in range(3))
    store.delete([first, "f" * 64, third])
    store.delete([])
    assert list(store.list()) == [second]
    with pytest.raises(BlobMissingError):
        store.read(first)


def test_many_are_listed_and_deleted(store: BlobStore) -> None:
    kept = {keep(store, str(each).encode()) for each in range(30)}
    assert set(store.list()) == kept
    assert set(store.list_older(0.0)) <= kept
    assert set(store.list_older(3600.0)) == set()
    store.delete(kept)
    assert set(store.list()) == set()


def test_what_was_prepared_is_kept_although_somebody_swept_it(store: BlobStore) -> None:
    with store.begin() as blob:
        blob.write(b"words")
        blob.prepare()
        store.delete([blob.sha256])
        blob.keep()
    assert whole(store, blob.sha256) == b"words"


def test_what_is_written_after_preparing_is_kept_too(store: BlobStore) -> None:
    with store.begin() as blob:
        blob.write(b"wo")
        blob.prepare()
        blob.write(b"rds")
        blob.keep()
    assert whole(store, blob.sha256) == b"words"


def test_the_same_bytes_are_one_blob(store: BlobStore) -> None:
    assert keep(store, b"words") == keep(store, b"words")
    assert len(list(store.list())) == 1


def test_a_local_file_is_there_inside_the_block_only(
    store: BlobStore, kind: str, tmp_path: Path
) -> None:
    sha256 = keep(store, b"words")
    folder = tmp_path / "staged"
    folder.mkdir()
    with store.local_file(sha256, folder) as path:
        assert path.read_bytes() == b"words"
    assert list(folder.iterdir()) == []
    assert path.exists() == (kind != "s3")


def test_nothing_stays_of_what_is_deleted(store: BlobStore) -> None:
    assert not store.keeps_deleted()
    assert list(store.list()) == []


def test_a_blob_is_absent_until_it_is_whole(store: BlobStore) -> None:
    blob: PendingBlob
    with store.begin() as blob:
        for _ in range(20):
            blob.write(os.urandom(1 << 20))
            assert not is_whole(store, blob.sha256)
        blob.keep()
    assert is_whole(store, blob.sha256)
