"""A connection that the other side closed as idle, just as a request went over it."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from cimiento.client import AsyncClient, Client, UnreachableError

_FOUND = b'{"passages": []}'
_REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(_FOUND), _FOUND)


class Closing:
    """Answers so many requests of each connection, reads one more, and closes."""

    def __init__(self, *num_answered: int) -> None:
        self._num_answered = num_answered
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.num_requests = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        for num_answered in self._num_answered:
            connection, _ = self._listening.accept()
            with connection:
                for _ in range(num_answered):
                    self._read(connection)
                    connection.sendall(_REPLY)
                self._read(connection)

    def _read(self, connection: socket.socket) -> None:
        """A whole request; nothing where the client has left."""
        request = b""
        while not request.endswith(b"}"):
            if not (part := connection.recv(65536)):
                return
            request += part
        self.num_requests += 1

    def close(self) -> None:
        self._thread.join(60)
        self._listening.close()


@pytest.fixture
def closing(request: pytest.FixtureRequest) -> Iterator[Closing]:
    server = Closing(*request.param)
    yield server
    server.close()


@pytest.mark.parametrize("closing", [(1, 1)], indirect=True)
def test_a_search_goes_again_over_another_connection(closing: Closing) -> None:
    with Client(closing.url, max_retries=0) as client:
        assert client.search("pool") == []
        assert client.search("pool") == []
    assert closing.num_requests == 3


@pytest.mark.parametrize("closing", [(1, 1)], indirect=True)
def test_it_does_for_who_awaits(closing: Closing) -> None:
    async def search_twice() -> None:
        async with AsyncClient(closing.url, max_retries=0) as client:
            assert await client.search("pool") == []
            assert await client.search("pool") == []

    asyncio.run(search_twice())
    assert closing.num_requests == 3


@pytest.mark.parametrize("closing", [(1,)], indirect=True)
def test_what_would_be_done_twice_does_not_go_again(closing: Closing) -> None:
    with Client(closing.url, max_retries=0) as client:
        client.search("pool")
        with pytest.raises(UnreachableError):
            client.create_collection("pools")
    assert closing.num_requests == 2


@pytest.mark.parametrize("closing", [(0,)], indirect=True)
def test_a_connection_that_was_just_made_counts_as_a_try(closing: Closing) -> None:
    with Client(closing.url, max_retries=0) as client, pytest.raises(UnreachableError):
        client.search("pool")
    assert closing.num_requests == 1


@pytest.mark.parametrize("closing", [(1, 0)], indirect=True)
def test_a_request_goes_again_at_once_only_once(closing: Closing) -> None:
    with Client(closing.url, max_retries=0) as client:
        client.search("pool")
        with pytest.raises(UnreachableError):
            client.search("pool")
    assert closing.num_requests == 3
