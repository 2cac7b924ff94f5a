"""A generation worker with a fake engine, asked in the process or over a real socket."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2
import uvicorn

from core.worker_settings import WorkerSettings
from generation.types import FinishReason, Pieces
from generation.worker.app import create_app
from generation.worker.serving import listen
from generation.worker.state import Phase, Worker
from tests.fakes_engine import FakeEngine, FakeServed

CHAT = {"messages": [{"role": "user", "content": "Hi"}]}


def eventually(holds: Callable[[], bool], *, within_s: float = 60.0) -> bool:
    """Whether something comes to hold."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


class House:
    """A worker, and ways to ask it."""

    def __init__(self, engine: FakeEngine | None = None, **settings: Any) -> None:
        self.engine = engine or FakeEngine()
        self.served = FakeServed(self.engine)
        self.worker = Worker(self.served, WorkerSettings(**settings))
        self.app = create_app(self.worker)
        self.server: uvicorn.Server | None = None

    def started(self) -> "House":
        """The same, once its model is loaded."""
        self.worker.start()
        assert eventually(lambda: self.worker.phase is not Phase.LOADING)
        return self

    @property
    def num_connections(self) -> int:
        """Connections that the running server holds."""
        return len(self.server.server_state.connections) if self.server else 0

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        """GET inside this process."""
        return asyncio.run(self._request("GET", path, headers=headers))

    def post(
        self, path: str, fields: object, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        """POST JSON inside this process."""
        kind = {"Content-Type": "application/json"}
        content = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
        return asyncio.run(
            self._request("POST", path, headers={**kind, **(headers or {})}, content=content)
        )

    async def _request(self, method: str, path: str, **options: Any) -> httpx2.Response:
        transport = httpx2.ASGITransport(self.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, path, **options)

    @contextmanager
    def running(self) -> Iterator[str]:
        """Listen on a free port of this machine; the address."""
        timeout_s = self.worker.settings.send_timeout_s
        with listen("127.0.0.1", 0, send_timeout_s=timeout_s) as listener:
            config = uvicorn.Config(self.app, log_config=None, access_log=False, lifespan="off")
            self.server = server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
            thread.start()
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                server.should_exit = True
                thread.join(60)


def events_of(response: httpx2.Response) -> list[Any]:
    """The data of a stream's events; "[DONE]" stays text."""
    lines = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


def connect(url: str) -> socket.socket:
    """A plain connection."""
    address = httpx2.URL(url)
    return socket.create_connection((address.host, address.port or 80), timeout=60)


def raw_post(path: str, fields: object) -> bytes:
    """A POST as bytes."""
    body = json.dumps(fields).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def reason_of(pieces: Pieces) -> FinishReason:
    """What ended a text, once it is written."""
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            reason: FinishReason = end.value
            return reason
