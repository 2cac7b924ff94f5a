"""The bridge: synchronous work in a thread, its events to one client. Knows no documents."""

import asyncio
import concurrent.futures
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final, TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

T = TypeVar("T")
Cancelled = Callable[[], bool]
Work = Callable[[Callable[[T], None], Cancelled], None]

HEARTBEAT_S: Final = 15.0
# Events that wait for a slow client before the work waits for it too.
_MAX_WAITING: Final = 32
# Threads of work that waits its turn for a model; apart from those that serve short requests.
_MAX_WORKING: Final = 64


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One server-sent event. `data` is JSON text."""

    name: str
    data: str
    id: str

    def encode(self) -> bytes:
        """The event as it goes over the wire."""
        return format_sse_event(data_str=self.data, event=self.name, id=self.id)


class WorkThreads:
    """The threads of long work; one for the application."""

    def __init__(self) -> None:
        self._limiter = anyio.CapacityLimiter(_MAX_WORKING)

    @asynccontextmanager
    async def run(self, work: Work[T]) -> AsyncIterator[MemoryObjectReceiveStream[T]]:
        """Run `work(emit, cancelled)` in a thread and give what it emits.

        The stream ends when the work does. Leaving the context early, or being cancelled inside
        it, turns `cancelled()` true; the context is left only when the work has ended.
        """
        send, receive = anyio.create_memory_object_stream[T](_MAX_WAITING)
        gone = threading.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._work, work, send, gone)
            with receive:
                try:
                    yield receive
                finally:
                    gone.set()

    async def _work(
        self, work: Work[T], send: MemoryObjectSendStream[T], gone: threading.Event
    ) -> None:
        def emit(item: T) -> None:
            try:
                anyio.from_thread.run(send.send, item)
            except (
                anyio.BrokenResourceError,
                anyio.ClosedResourceError,
                concurrent.futures.CancelledError,
                asyncio.CancelledError,
            ):
                # nobody listens any more; the work learns of it when it next asks
                gone.set()

        with send:
            await anyio.to_thread.run_sync(work, emit, gone.is_set, limiter=self._limiter)


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
