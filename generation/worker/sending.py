"""Send what comes of a request, whole or as a stream, for as long as the client listens."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass
from typing import Final, TypeVar

import pydantic_core
import structlog
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from generation.async_reader import AsyncReader
from generation.completion import TextEvent
from generation.worker.errors import ApiError
from generation.worker.metrics import Stopwatch
from generation.worker.replies import Json, Reply

_log = structlog.get_logger()
T = TypeVar("T")

HEARTBEAT_S: Final = 15.0
_DONE: Final = b"data: [DONE]\n\n"
# how often whoever waits hears how many are before them
_PLACE_S: Final = 0.25


class ClientGoneError(Exception):
    """The client hung up; there is nobody to answer."""


@dataclass(frozen=True, slots=True)
class Work:
    """A request under way, the shape of its reply, and who times it."""

    reader: AsyncReader
    reply: Reply
    stopwatch: Stopwatch
    heartbeat_s: float = HEARTBEAT_S

    async def batches(self) -> AsyncGenerator[tuple[TextEvent, ...], None]:
        """What comes of it, counted; empty where nothing came for a while. Leaving ends it."""
        idle_s = min(self.heartbeat_s, _PLACE_S)
        try:
            async with aclosing(self.reader.batches(idle_s=idle_s)) as batches:
                async for batch in batches:
                    for event in batch:
                        self.stopwatch.note(event)
                    yield batch
        finally:
            self.stopwatch.stop(num_samples=self.reader.num_samples)


async def until_gone(receive: Receive, work: Callable[[], Awaitable[T]]) -> T:
    """Do the work unless the client leaves first: then it is cancelled, and ClientGoneError raised.

    The body must have been read.
    """
    leaving = asyncio.ensure_future(_wait_for_disconnect(receive))
    working = asyncio.ensure_future(work())
    try:
        await asyncio.wait((leaving, working), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientGoneError
    finally:
        for task in (leaving, working):
            task.cancel()
        await asyncio.gather(leaving, working, return_exceptions=True)


async def send_whole(receive: Receive, work: Work) -> Response:
    """The reply as one object, once it is complete."""

    async def collect() -> Response:
        async with aclosing(work.batches()) as batches:
            async for batch in batches:
                for event in batch:
                    work.reply.add(event)
        return JSONResponse(work.reply.whole(work.reader.usage))

    with _ending(work.reader):
        return await until_gone(receive, collect)


class StreamResponse(Response):
    """The reply as server-sent events, and [DONE]. A fault on the way is an event, then [DONE]."""

    media_type = "text/event-stream"

    def __init__(self, work: Work, *, include_usage: bool) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._work = work
        self._include_usage = include_usage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the signature of ASGI
        """Send until the work ends or the client goes away."""
        with _ending(self._work.reader), suppress(ClientGoneError):
            await until_gone(receive, lambda: self._send_all(send))

    async def _send_all(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        async with aclosing(self._bodies()) as bodies:
            async for body in bodies:
                await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": _DONE, "more_body": False})

    async def _bodies(self) -> AsyncGenerator[bytes, None]:
        reply = self._work.reply
        if first := reply.first_chunks():
            yield b"".join(map(_event, first))
        clock = asyncio.get_running_loop().time
        sent_s, told = clock(), None
        async with aclosing(self._work.batches()) as batches:
            async for batch in batches:
                chunks, error = _shape(reply, batch)
                if error is not None:
                    _log.warning("stream_broke_off", code=error.code)
                    yield chunks + _event(error.body())
                    return
                num_before = self._work.reader.num_before
                # a quiet line gets a comment, so that proxies keep it open
                is_quiet = clock() - sent_s >= self._work.heartbeat_s
                if chunks or is_quiet or num_before != told:
                    yield chunks or _comment(num_before)
                    sent_s, told = clock(), num_before
        if self._include_usage:
            yield _event(reply.usage_chunk(self._work.reader.usage))


def _shape(reply: Reply, batch: Sequence[TextEvent]) -> tuple[bytes, ApiError | None]:
    """The chunks of a batch, up to where a sample ended without an answer."""
    chunks = b""
    try:
        for event in batch:
            chunks += _event(reply.chunk(event))
    except ApiError as error:
        return chunks, error
    return chunks, None


@contextmanager
def _ending(reader: AsyncReader) -> Iterator[None]:
    # also where the first event was never waited for
    try:
        yield
    finally:
        reader.close()


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _comment(num_before: int | None) -> bytes:
    # generation.remote_stream reads it
    said = "still working" if num_before is None else f"{num_before} before"
    return f": {said}\n\n".encode()


def _event(chunk: Json) -> bytes:
    return b"data: " + pydantic_core.to_json(chunk) + b"\n\n"
