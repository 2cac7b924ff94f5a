"""Events to one client, with a heartbeat, until it goes away. Knows no documents."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final, TypeVar

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

T = TypeVar("T")

HEARTBEAT_S: Final = 15.0
# Events that wait for a slow client before whoever sends them waits for it too.
_MAX_WAITING: Final = 32


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One server-sent event. `data` is text, mostly JSON; a name or id of None is left out."""

    name: str | None
    data: str
    id: str | None = None

    def encode(self) -> bytes:
        """The event as it goes over the wire."""
        return format_sse_event(data_str=self.data, event=self.name, id=self.id)


@asynccontextmanager
async def run_task(
    produce: Callable[[MemoryObjectSendStream[T]], Awaitable[None]],
) -> AsyncIterator[MemoryObjectReceiveStream[T]]:
    """Run an async producer and give what it sends; leaving the context cancels it."""
    send, receive = anyio.create_memory_object_stream[T](_MAX_WAITING)

    async def work() -> None:
        with send:
            await produce(send)

    with receive:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)
            try:
                yield receive
            finally:
                tasks.cancel_scope.cancel()


Produce = Callable[[MemoryObjectSendStream[ServerEvent]], Awaitable[None]]
EventSource = Callable[[], AbstractAsyncContextManager[MemoryObjectReceiveStream[ServerEvent]]]


class EventStreamResponse(Response):
    """A text/event-stream that ends its source at once when the client goes away."""

    media_type = "text/event-stream"

    def __init__(self, source: EventSource, *, heartbeat_s: float = HEARTBEAT_S) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._source = source
        self._heartbeat_s = heartbeat_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the signature of ASGI
        """Send events until the source ends or the client goes away."""
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_cancel_on_disconnect, receive, tasks.cancel_scope)
            # OSError: the client went away between two events
            with suppress(OSError):
                async with self._source() as events:
                    await self._pump(events, send)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            tasks.cancel_scope.cancel()

    async def _pump(self, events: MemoryObjectReceiveStream[ServerEvent], send: Send) -> None:
        while True:
            body = KEEPALIVE_COMMENT
            with anyio.move_on_after(self._heartbeat_s):
                try:
                    body = (await events.receive()).encode()
                except anyio.EndOfStream:
                    return
            await send({"type": "http.response.body", "body": body, "more_body": True})


async def wait_for_disconnect(receive: Receive) -> None:
    """Return when the client has gone; the body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _cancel_on_disconnect(receive: Receive, scope: anyio.CancelScope) -> None:
    await wait_for_disconnect(receive)
    scope.cancel()
