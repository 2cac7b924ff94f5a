"""A fleet's replica and its directory: two doors, a report, and an end in good order. No Ray."""

import asyncio
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx2
import pytest
from pydantic import SecretStr
from starlette.types import ASGIApp

from app.fleet.directory import Directory
from app.fleet.errors import FleetFailedError
from app.fleet.replica import Replica
from core.worker_settings import WorkerSettings
from tests.fakes_engine import FakeEngine, FakeServed
from tests.ports import free_port
from tests.unit.generation.worker_house import CHAT, eventually

KEY = {"Authorization": "Bearer sesame"}


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class BrokenReporter:
    """A way to a directory that is away."""

    def report(self, url: str) -> Sequence[str]:
        """Fail."""
        raise ConnectionError(url)

    def leave(self, url: str) -> None:
        """Fail."""
        raise ConnectionError(url)


def get(app: ASGIApp, path: str, headers: dict[str, str] | None = None) -> httpx2.Response:
    """GET inside this process."""

    async def ask() -> httpx2.Response:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(ask())


@contextmanager
def replica(
    engine: FakeEngine | None = None, *, directory: Directory | None = None, port: int = 0
) -> Iterator[Replica]:
    """A replica that serves, closed at the end."""
    settings = WorkerSettings(api_key=SecretStr("sesame"), port=port or free_port(), drain_s=60.0)
    made = Replica(FakeServed(engine), settings, directory or Directory())
    try:
        yield made
    finally:
        made.close()


def test_each_worker_listens_at_an_address_of_its_own_and_all_are_listed() -> None:
    directory = Directory()
    with (
        replica(directory=directory) as first,
        replica(directory=directory, port=httpx2.URL(first.url).port or 0) as second,
    ):
        assert first.url != second.url
        for each in (first, second):
            listed = httpx2.get(f"{each.url}/v1/models", headers=KEY).json()["data"][0]
            assert "workers" not in listed
            assert each.url in directory.report(each.url)

        def named() -> list[str]:
            answered = get(first.door(), "/v1/models", headers=KEY)
            listed: list[str] = answered.json()["data"][0]["workers"]
            return listed

        assert eventually(lambda: named() == sorted([first.url, second.url]))


def test_both_doors_ask_for_the_key() -> None:
    with replica() as each:
        assert httpx2.get(f"{each.url}/v1/models").status_code == 401
        assert get(each.door(), "/v1/models").status_code == 401


def test_a_replica_that_drains_leaves_the_list_and_ends_what_it_has_begun() -> None:
    directory = Directory()
    engine = FakeEngine("Hello!", pause_s=0.02)
    with replica(engine, directory=directory) as each:
        assert eventually(lambda: each.url in directory.report("http://other"))
        stream = httpx2.stream(
            "POST", f"{each.url}/v1/chat/completions", json=CHAT | {"stream": True}, headers=KEY
        )
        with stream as answered:
            lines = answered.iter_lines()
            next(lines)
            draining = threading.Thread(target=each.drain)
            draining.start()
            assert "data: [DONE]" in list(lines)
        draining.join(60)
        assert each.url not in directory.report("http://other")
        assert not draining.is_alive()
        with pytest.raises(httpx2.TransportError):
            httpx2.get(f"{each.url}/ready")


def test_a_replica_counts_what_is_under_way() -> None:
    engine = FakeEngine("Hello!")
    engine.hangs = True
    with replica(engine) as each:
        assert each.num_under_way == 0
        asked = threading.Thread(
            target=httpx2.post,
            args=(f"{each.url}/v1/chat/completions",),
            kwargs={"json": CHAT, "headers": KEY, "timeout": 60},
        )
        asked.start()
        assert eventually(lambda: each.num_under_way == 1)
        engine.hangs = False
        asked.join(60)
        assert eventually(lambda: each.num_under_way == 0)


def test_a_replica_is_well_until_nothing_listens() -> None:
    with replica() as each:
        each.check()
    with pytest.raises(FleetFailedError, match="listens"):
        each.check()


def test_a_replica_serves_without_a_directory() -> None:
    settings = WorkerSettings(port=free_port(), drain_s=0.0)
    each = Replica(FakeServed(), settings, BrokenReporter())
    assert httpx2.get(f"{each.url}/ready").status_code == 200
    each.drain()


def test_a_model_that_does_not_load_says_why() -> None:
    served = FakeServed()
    served.fault = ValueError("no such layer")
    with pytest.raises(FleetFailedError, match="no such layer"):
        Replica(served, WorkerSettings(port=free_port()), Directory())


def test_a_port_that_is_taken_is_passed_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with replica(port=port) as each:
            assert (httpx2.URL(each.url).port or 0) > port


def test_the_directory_forgets_who_is_silent() -> None:
    clock = Clock()
    directory = Directory(clock)
    directory.report("http://a")
    clock.now_s = 10.0
    assert directory.report("http://b") == ["http://a", "http://b"]
    clock.now_s = 20.0
    assert directory.report("http://b") == ["http://b"]
    directory.leave("http://b")
    directory.leave("http://never")
    assert directory.report("http://c") == ["http://c"]
