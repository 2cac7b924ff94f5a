"""A server that speaks S3, on a loopback port of this process, that fails when it is told to.

It checks signatures, and keeps each object as a file. What fails is what lies between it and its
clients: refusals, cut bodies, silence.
"""

import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import uvicorn
from nanio.app import build_app
from nanio.config import Settings
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.s3_blobs import S3Place

BUCKET: Final = "bucket"
ACCESS_KEY: Final = "AKIAOFTHETESTS"
SECRET_KEY: Final = "secret-of-the-tests-and-of-nobody-else"


class _Keys:
    """The one key that the server knows."""

    def resolve(self, access_key: str) -> str | None:
        """Its secret."""
        return SECRET_KEY if access_key == ACCESS_KEY else None


@dataclass
class S3Server:
    """A running server. `seen` are the requests, as method, path and headers.

    `refusals`: so many requests of the given methods get 503. `cuts`: so many bodies end after the
    first bytes. `is_silent`: nobody gets an answer.
    """

    folder: Path
    port: int = 0
    seen: "deque[tuple[str, str, dict[str, str]]]" = field(default_factory=deque)
    refusals: int = 0
    refused_methods: tuple[str, ...] = ("GET", "HEAD", "PUT", "POST", "DELETE")
    cuts: int = 0
    cut_after_bytes: int = 100_000
    silences: int = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def place(self, prefix: str = "blobs", *, timeout_s: float = 30.0) -> S3Place:
        """How the bucket is reached."""
        return S3Place(BUCKET, prefix, self.url, "us-east-1", ACCESS_KEY, SECRET_KEY, timeout_s)

    def environment(self) -> dict[str, str]:
        """What tells a service of the bucket."""
        return {
            "CIMIENTO_BLOBS__URL": f"s3://{BUCKET}/house",
            "CIMIENTO_BLOBS__ENDPOINT": self.url,
            "CIMIENTO_BLOBS__REGION": "us-east-1",
            "CIMIENTO_BLOBS__ACCESS_KEY": ACCESS_KEY,
            "CIMIENTO_BLOBS__SECRET_KEY": SECRET_KEY,
        }

    def files(self) -> list[Path]:
        """Every file that it keeps: objects, and parts of uploads that have not ended."""
        return sorted(path for path in self.folder.rglob("*") if path.is_file())


@contextmanager
def serving_s3(folder: Path) -> Iterator[S3Server]:
    """A server with an empty bucket."""
    (folder / BUCKET).mkdir(parents=True)
    state = S3Server(folder)
    app = _Failing(build_app(Settings(data_dir=folder, credentials=_Keys())), state)
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        state.port = int(listener.getsockname()[1])
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield state
        finally:
            state.silences = 0
            server.should_exit = True
            thread.join(30)


class _Failing:
    """Stands before the server."""

    def __init__(self, app: ASGIApp, state: S3Server) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = self._state
        method = scope["method"]
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        state.seen.append((method, scope["path"], headers))
        if state.silences:
            state.silences -= 1
            await self._be_silent(receive)
        elif state.refusals and method in state.refused_methods:
            state.refusals -= 1
            await _refuse(receive, send)
        elif state.cuts and method == "GET":
            state.cuts -= 1
            await self._app(scope, receive, _Cut(send, state.cut_after_bytes).send)
        else:
            await self._app(scope, receive, send)

    async def _be_silent(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


async def _refuse(receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    await send(
        {"type": "http.response.start", "status": 503, "headers": [(b"content-length", b"0")]}
    )
    await send({"type": "http.response.body", "body": b""})


class _Cut:
    """Lets the first bytes of a body through; the rest never comes, and the connection ends."""

    def __init__(self, send: Send, left: int) -> None:
        self._send = send
        self._left = left

    async def send(self, message: Message) -> None:
        """Send what may still go."""
        if message["type"] == "http.response.body":
            body: Any = message.get("body", b"")
            if len(body) >= self._left:
                message = {**message, "body": body[: self._left], "more_body": True}
                if not self._left:
                    return
                self._left = 0
            else:
                self._left -= len(body)
        await self._send(message)
