"""The running service: uvicorn on a free port of this machine, real rooms, fake models."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import structlog
import uvicorn

from core.server_settings import ServerSettings
from tests.unit.app.house import MAX_UPLOAD_BYTES, House


@dataclass(frozen=True)
class Running:
    """A service that listens, and a client with a key."""

    house: House
    url: str
    client: httpx2.Client


def names_of(response: httpx2.Response) -> Iterator[str]:
    """The names of events, as they come."""
    lines = response.iter_lines()
    return (line.removeprefix("event: ") for line in lines if line.startswith("event: "))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """A service that listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        # hardly any time to come back: what a lost listener stops is to be seen
        settings = ServerSettings(port=port, max_upload_bytes=MAX_UPLOAD_BYTES, resume_s=0.05)
        house = House(
            tmp_path / "data",
            server=settings,
            min_confidence=0,
        )
        server = uvicorn.Server(uvicorn.Config(house.app, log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        headers = {"Authorization": f"Bearer {house.key}"}
        url = f"http://127.0.0.1:{port}"
        with httpx2.Client(base_url=url, headers=headers, timeout=60) as client:
            yield Running(house, url, client)
        server.should_exit = True
        thread.join(60)
        house.close()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """No log lines."""
    structlog.configure(processors=[_drop])
    yield
    structlog.reset_defaults()


def _drop(_logger: object, _method: str, _event: structlog.typing.EventDict) -> str:
    raise structlog.DropEvent
