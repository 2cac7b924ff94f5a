"""Drive an application message by message, where a client would be too well behaved."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message

Body = Callable[[], Awaitable[Message]]


@dataclass
class Exchange:
    """What an application sent, and how much of the body it asked for."""

    sent: list[Message] = field(default_factory=list)
    num_received: int = 0

    @property
    def status(self) -> int:
        """Status of the response; 0 where none began."""
        return next(
            (message["status"] for message in self.sent if message["type"].endswith("start")), 0
        )

    @property
    def body(self) -> bytes:
        """The response so far."""
        return b"".join(message.get("body", b"") for message in self.sent)


def call(
    app: ASGIApp,
    path: str,
    *,
    headers: dict[str, str],
    receive: Callable[[int, Exchange], Awaitable[Message]],
) -> Exchange:
    """POST to the application; `receive` is asked for message after message of the body."""
    exchange = Exchange()

    async def next_message() -> Message:
        exchange.num_received += 1
        return await receive(exchange.num_received, exchange)

    async def send(message: Message) -> None:
        exchange.sent.append(message)

    all_headers = {"host": "localhost", **headers}
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in all_headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8420),
    }

    async def run() -> None:
        async with asyncio.timeout(60):
            await app(scope, next_message, send)

    asyncio.run(run())
    return exchange


def part(data: bytes, *, more: bool = True) -> Message:
    """A piece of a request's body."""
    return {"type": "http.request", "body": data, "more_body": more}


GONE: Message = {"type": "http.disconnect"}
