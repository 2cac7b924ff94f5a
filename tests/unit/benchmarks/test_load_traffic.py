"""Searches at a rate go over connections that are kept alive, and that a server may close."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from benchmarks.load_traffic import HOST, Connection, Searched, ask_kept_alive

_SEARCH = b"POST /v1/search HTTP/1.1\r\n\r\n"
_BODY = b'{"passages": [{}]}'
_REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b"


@asynccontextmanager
async def closing_after(num_answered: int, body: bytes = _BODY) -> AsyncIterator[int]:
    """The port of a server that closes a connection when a search too many comes over it."""
    handlers: list[asyncio.Task[None]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            for _ in range(num_answered):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(_REPLY % (len(body), body))
            await reader.readuntil(b"\r\n\r\n")
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.append(asyncio.get_running_loop().create_task(answer(reader, writer)))

    async with await asyncio.start_server(handle, HOST) as server:
        yield server.sockets[0].getsockname()[1]
        # each has heard by now that its client has left
        await asyncio.gather(*handlers)


async def test_a_search_that_crosses_the_end_of_an_idle_connection_goes_again() -> None:
    async with closing_after(1) as port:
        searched = Searched()
        first = await ask_kept_alive([], port, _SEARCH, searched)
        assert searched.num_reopened == 0
        idle = [first]
        second = await ask_kept_alive(idle, port, _SEARCH, searched)
        assert (idle, searched.num_reopened) == ([], 1)
        assert second is not first
        second.close()


async def test_a_server_that_answers_nobody_is_an_error() -> None:
    async with closing_after(0) as port:
        idle = [await Connection.open(port)]
        searched = Searched()
        with pytest.raises(ConnectionResetError):
            await ask_kept_alive(idle, port, _SEARCH, searched)
        assert searched.num_reopened == 1


async def test_a_reply_without_passages_is_an_error() -> None:
    async with closing_after(1, b'{"passages": []}') as port:
        with pytest.raises(OSError, match="no passages"):
            await ask_kept_alive([], port, _SEARCH, Searched())
