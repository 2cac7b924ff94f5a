"""A part of a download is the part that was asked for, or the whole."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI, Request, Response
from starlette.testclient import TestClient

from app.byte_ranges import attachment, send_bytes

DATA = bytes(range(100))
TAG = '"tag"'


def client_of(data: bytes) -> TestClient:
    """Something that serves the data."""
    app = FastAPI()

    def read(start: int, end: int) -> Iterator[bytes]:
        return iter([data[start:end][:7], data[start:end][7:]])

    @app.get("/")
    def get(request: Request) -> Response:
        return send_bytes(read, len(data), asked=request.headers, headers={"ETag": TAG})

    return TestClient(app)


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=90-", 90, 100),
        ("bytes=-5", 95, 100),
        ("bytes=95-1000", 95, 100),
        ("bytes=-99", 1, 100),
    ],
)
def test_one_range_is_given_alone(asked: str, start: int, end: int) -> None:
    response = client_of(DATA).get("/", headers={"Range": asked})
    assert (response.status_code, response.content) == (206, DATA[start:end])
    assert response.headers["content-range"] == f"bytes {start}-{end - 1}/100"
    assert response.headers["content-length"] == str(end - start)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Range": "bytes=0-99"},
        {"Range": "bytes=-100"},
        {"Range": "bytes=-1000"},
        {"Range": "bytes=1-2,5-6"},
        {"Range": "bytes=-"},
        {"Range": "bytes=9-3"},
        {"Range": "lines=1-2"},
        {"Range": "bytes=1-2", "If-Range": '"another"'},
    ],
)
def test_whatever_is_no_single_part_is_the_whole(headers: dict[str, str]) -> None:
    response = client_of(DATA).get("/", headers=headers)
    assert (response.status_code, response.content) == (200, DATA)
    assert response.headers["accept-ranges"] == "bytes"
    assert response.headers["content-length"] == "100"


@pytest.mark.parametrize("asked", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_past_the_end_is_refused(asked: str) -> None:
    response = client_of(DATA).get("/", headers={"Range": asked})
    assert (response.status_code, response.content) == (416, b"")
    assert response.headers["content-range"] == "bytes */100"


@pytest.mark.parametrize("asked", [None, "bytes=0-", "bytes=5-", "bytes=-3"])
def test_nothing_is_nothing(asked: str | None) -> None:
    headers = {} if asked is None else {"Range": asked}
    response = client_of(b"").get("/", headers=headers)
    assert (response.status_code, response.content) == (200, b"")


def test_a_name_comes_as_it_is_or_quoted() -> None:
    assert attachment("a.txt") == 'attachment; filename="a.txt"'
    assert attachment('año "1".txt') == "attachment; filename*=utf-8''a%C3%B1o%20%221%22.txt"
