"""The bridge from threads to clients: order, back pressure, heartbeats, and nobody left waiting."""

from collections.abc import Awaitable, Callable

import anyio
import pytest
from anyio.streams.memory import MemoryObjectSendStream
from starlette.types import Message

from app.streams import EventStreamResponse, ServerEvent, run_task

Numbers = MemoryObjectSendStream[int]
Events = MemoryObjectSendStream[ServerEvent]

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """The event loop that uvicorn uses."""
    return "asyncio"


async def test_a_task_is_cancelled_when_its_reader_leaves() -> None:
    ended = []

    async def produce(send: Numbers) -> None:
        try:
            while True:
                await send.send(1)
        finally:
            ended.append(True)

    async with run_task(produce) as numbers:
        assert await numbers.receive() == 1
    assert ended == [True]


class Client:
    """What an event stream is sent to."""

    def __init__(self) -> None:
        self.body = b""
        self.is_over = False
        self.leaves = anyio.Event()

    async def receive(self) -> Message:
        """Blocks until the client leaves."""
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Takes what the server sends."""
        self.body += message.get("body", b"")
        if message["type"] == "http.response.body":
            self.is_over = not message["more_body"]


async def serve(
    produce: Callable[[Events], Awaitable[None]], client: Client, *, heartbeat_s: float = 600.0
) -> None:
    """Run an event stream to its end."""
    response = EventStreamResponse(lambda: run_task(produce), heartbeat_s=heartbeat_s)
    with anyio.fail_after(60):
        await response({"type": "http"}, client.receive, client.send)


async def test_every_event_has_its_name_data_and_id() -> None:
    async def produce(send: Events) -> None:
        await send.send(ServerEvent("delta", '{"text": "a\\nb"}', "1"))

    client = Client()
    await serve(produce, client)
    assert client.body == b'event: delta\ndata: {"text": "a\\nb"}\nid: 1\n\n'
    assert client.is_over


async def test_an_idle_stream_beats_and_loses_nothing() -> None:
    client = Client()

    async def produce(send: Events) -> None:
        while client.body.count(b": ping\n\n") < 3:  # noqa: ASYNC110 - it has no event to wait for
            await anyio.sleep(0.01)
        await send.send(ServerEvent("done", "{}", "1"))

    await serve(produce, client, heartbeat_s=0.05)
    assert client.body.endswith(b"event: done\ndata: {}\nid: 1\n\n")


async def test_a_client_that_leaves_ends_the_stream_at_once() -> None:
    client = Client()

    async def produce(_send: Events) -> None:
        client.leaves.set()
        await anyio.sleep_forever()

    await serve(produce, client)
    assert not client.is_over
