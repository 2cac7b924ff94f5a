"""A server that speaks S3 and fails midway: work goes on, or ends with an error that says so."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.blobs import is_whole
from core.errors import (
    BlobMissingError,
    BlobStoreRefusedError,
    BlobStoreUnavailableError,
    CimientoError,
)
from core.s3_blobs import S3BlobStore, S3Place
from tests.integration.waiting import until
from tests.ports import free_port
from tests.proxy import Proxy
from tests.s3 import ACCESS_KEY, BUCKET, SECRET_KEY, S3Server, serving_s3

_ALWAYS = 10_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[S3Server]:
    """A server that fails on demand."""
    with serving_s3(tmp_path / "s3") as server:
        yield server


@pytest.fixture
def store(server: S3Server, tmp_path: Path) -> S3BlobStore:
    """A store in its bucket."""
    return S3BlobStore(server.place(), tmp_path)


def keep(store: S3BlobStore, data: bytes) -> str:
    """Keep bytes; returns their name."""
    with store.begin() as blob:
        blob.write(data)
        blob.keep()
        return blob.sha256


@pytest.mark.parametrize("size", [1_000, 20 << 20])
def test_a_server_that_is_busy_for_a_moment_is_asked_again(
    store: S3BlobStore, server: S3Server, size: int
) -> None:
    server.refusals = 2
    data = os.urandom(size)
    sha256 = keep(store, data)
    server.refusals = 2
    assert b"".join(store.read(sha256)) == data
    server.refusals = 2
    store.delete([sha256])
    assert list(store.list()) == []


@pytest.mark.parametrize("size", [1_000, 20 << 20])
def test_an_upload_that_fails_for_good_leaves_nothing(
    store: S3BlobStore, server: S3Server, size: int
) -> None:
    server.refusals, server.refused_methods = _ALWAYS, ("PUT",)
    with store.begin() as blob:
        blob.write(os.urandom(size))
        with pytest.raises(BlobStoreUnavailableError, match="503"):
            blob.prepare()
    server.refusals = 0
    assert not is_whole(store, blob.sha256)
    until(lambda: server.files() == [])
    assert store.list_incoming() == []


def test_a_download_goes_on_where_it_was_cut(store: S3BlobStore, server: S3Server) -> None:
    data = os.urandom(3_000_000)
    sha256 = keep(store, data)
    server.cuts = 3
    assert b"".join(store.read(sha256)) == data
    assert server.cuts == 0
    asked = [headers.get("range", "") for method, _, headers in server.seen if method == "GET"]
    # each time from later on
    starts = [int(each.removeprefix("bytes=").partition("-")[0]) for each in asked if each]
    assert starts == sorted(starts)
    assert max(starts) > 0


def test_a_download_that_is_always_cut_ends_with_an_error(
    store: S3BlobStore, server: S3Server
) -> None:
    sha256 = keep(store, os.urandom(3_000_000))
    server.cuts, server.cut_after_bytes = _ALWAYS, 0
    with pytest.raises(BlobStoreUnavailableError):
        for _ in store.read(sha256):
            pass
    with pytest.raises(BlobStoreUnavailableError):
        is_whole(store, sha256)


def test_a_server_that_says_nothing_is_asked_again(server: S3Server, tmp_path: Path) -> None:
    sha256 = keep(S3BlobStore(server.place(), tmp_path), b"words")
    store = S3BlobStore(server.place(timeout_s=2.0), tmp_path)
    server.silences = 1
    assert b"".join(store.read(sha256)) == b"words"
    assert server.silences == 0


def test_a_server_that_stays_silent_is_given_up(server: S3Server, tmp_path: Path) -> None:
    store = S3BlobStore(server.place(timeout_s=0.2), tmp_path)
    server.silences = _ALWAYS
    with pytest.raises(BlobStoreUnavailableError):
        store.read("0" * 64)


def test_connections_that_are_reset_are_made_anew(server: S3Server, tmp_path: Path) -> None:
    with Proxy(server.port) as proxy:
        place = S3Place(BUCKET, "blobs", proxy.url, "us-east-1", ACCESS_KEY, SECRET_KEY)
        store = S3BlobStore(place, tmp_path)
        sha256 = keep(store, b"words")
        proxy.refuse()
        with pytest.raises(BlobStoreUnavailableError, match="connection"):
            store.read(sha256)
        proxy.restore()
        assert b"".join(store.read(sha256)) == b"words"


def test_a_server_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    place = S3Place(BUCKET, "", f"http://127.0.0.1:{free_port()}", "x", ACCESS_KEY, SECRET_KEY)
    store = S3BlobStore(place, tmp_path)
    with pytest.raises(BlobStoreUnavailableError, match="no connection") as caught:
        keep(store, b"words")
    _assert_silent_about_keys(caught.value)


@pytest.mark.parametrize("access_key", [ACCESS_KEY, "AKIAUNKNOWN"])
def test_wrong_keys_are_refused_and_never_repeated(
    server: S3Server, tmp_path: Path, access_key: str
) -> None:
    wrong = "not-the-secret-of-the-tests"
    place = S3Place(BUCKET, "", server.url, "us-east-1", access_key, wrong)
    assert wrong not in repr(place)
    store = S3BlobStore(place, tmp_path)
    for ask in (
        lambda: keep(store, b"words"),
        lambda: store.read("0" * 64),
        lambda: list(store.list()),
        lambda: store.delete(["0" * 64]),
        store.keeps_deleted,
    ):
        with pytest.raises(BlobStoreRefusedError, match="CIMIENTO_BLOBS__URL") as caught:
            ask()
        _assert_silent_about_keys(caught.value)


def test_a_bucket_that_is_not_there_is_no_missing_document(
    server: S3Server, tmp_path: Path
) -> None:
    place = S3Place("another", "", server.url, "us-east-1", ACCESS_KEY, SECRET_KEY)
    store = S3BlobStore(place, tmp_path)
    for ask in (
        lambda: keep(store, b"words"),
        lambda: store.read("0" * 64),
        lambda: list(store.list()),
    ):
        with pytest.raises(BlobStoreRefusedError, match="NoSuchBucket"):
            ask()


def test_what_is_missing_is_told_from_what_fails(store: S3BlobStore, server: S3Server) -> None:
    with pytest.raises(BlobMissingError):
        store.read("0" * 64)
    server.refusals = _ALWAYS
    with pytest.raises(BlobStoreUnavailableError):
        store.read("0" * 64)


def _assert_silent_about_keys(error: CimientoError) -> None:
    # the client's own error is no cause: a traceback in a log would print it
    assert error.__cause__ is None
    assert error.__suppress_context__
    for secret in (ACCESS_KEY, "AKIAUNKNOWN", SECRET_KEY, "Signature="):
        assert secret not in str(error)
