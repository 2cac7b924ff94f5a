"""Who gets a connection: whoever is free, in turn, and another where that one dies."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from app.processes.channel import (
    FULL,
    READY,
    TAKEN,
    UNREADY,
    UP,
    Seat,
    receive_one,
    running,
    runs,
)
from app.processes.front import Front


class Server:
    """What a process does at its end of the channel."""

    def __init__(self, front: Front) -> None:
        ours, self.channel = socket.socketpair()
        self.channel.settimeout(0)
        self.connections: list[socket.socket] = []
        self.heard = b""
        self.member = front.join(ours)

    def say(self, said: bytes) -> None:
        """Tell the front something."""
        self.channel.send(said)

    def close(self) -> None:
        """End, as a process that is killed does."""
        for each in (self.channel, *self.connections):
            each.close()

    def hear(self) -> None:
        """Read what the front has said."""
        with suppress(BlockingIOError):
            while True:
                said, connection = receive_one(self.channel)
                if not said:
                    return
                self.heard += said
                if connection is not None:
                    self.connections.append(connection)


class Place:
    """A front and those who connect to it."""

    def __init__(self, stack: ExitStack) -> None:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._address = listener.getsockname()
        self._stack = stack
        self.front = Front(listener)
        self.servers: list[Server] = []
        stack.callback(self._close)

    def _close(self) -> None:
        self.front.close()
        for server in self.servers:
            server.close()

    def server(self, *said: bytes) -> Server:
        """A process that has said these."""
        server = Server(self.front)
        self.servers.append(server)
        for each in said:
            server.say(each)
        self.settle()
        return server

    def connect(self, number: int = 1) -> list[socket.socket]:
        """So many clients; each has connected when the next one does."""
        clients = []
        for _ in range(number):
            client = socket.create_connection(self._address, timeout=60)
            clients.append(self._stack.enter_context(client))
            self.settle()
        return clients

    def settle(self) -> None:
        """Let the front do what there is to do; what is sent on this machine is there at once."""
        for _ in range(4):
            self.front.step(0)
            for server in self.servers:
                server.hear()


@pytest.fixture
def place() -> Iterator[Place]:
    with ExitStack() as stack:
        yield Place(stack)


def take(server: Server) -> None:
    """Say of the last connection that it was taken."""
    server.say(TAKEN)


def test_connections_are_handed_out_by_turns(place: Place) -> None:
    first, second = place.server(UP, READY), place.server(UP, READY)
    for _ in range(3):
        place.connect(2)
        for server in (first, second):
            take(server)
        place.settle()
    assert [len(server.connections) for server in (first, second)] == [3, 3]


def test_who_has_not_taken_the_last_one_gets_no_other(place: Place) -> None:
    stopped, well = place.server(UP, READY), place.server(UP, READY)
    for _ in range(4):
        place.connect()
        if len(well.connections):
            take(well)
        place.settle()
    assert len(stopped.connections) == 1
    assert len(well.connections) == 3


def test_what_a_process_had_not_taken_goes_to_another_when_it_dies(place: Place) -> None:
    dying = place.server(UP, READY)
    (client,) = place.connect()
    other = place.server(UP, READY)
    place.servers.remove(dying)
    dying.close()
    place.settle()
    (connection,) = other.connections
    client.sendall(b"hello")
    connection.settimeout(60)
    assert connection.recv(5) == b"hello"


def test_connections_wait_where_nobody_serves(place: Place) -> None:
    place.connect(3)
    server = place.server()
    assert server.connections == []
    server.say(UP)
    for number in (1, 2, 3):
        place.settle()
        assert len(server.connections) == number
        take(server)


def test_who_has_loaded_comes_before_who_has_not(place: Place) -> None:
    loading = place.server(UP)
    place.connect()
    assert len(loading.connections) == 1
    take(loading)
    loaded = place.server(UP, READY)
    for _ in range(2):
        place.connect()
        take(loaded)
        place.settle()
    assert (len(loading.connections), len(loaded.connections)) == (1, 2)
    loaded.say(UNREADY)
    loading.say(READY)
    place.settle()
    place.connect()
    assert len(loading.connections) == 2


def test_who_has_no_room_gives_a_connection_back(place: Place) -> None:
    full = place.server(UP, READY)
    place.connect()
    other = place.server(UP, READY)
    full.say(FULL)
    place.settle()
    assert len(other.connections) == 1


def test_everybody_is_told_which_workers_run(place: Place) -> None:
    early = place.server(UP)
    place.front.tell(running((True, False)))
    place.front.tell(running((True, False)))
    late = place.server(UP)
    for server in (early, late):
        (said,) = server.heard
        assert [runs(said, number) for number in (0, 1)] == [True, False]


def test_a_process_is_told_who_it_is() -> None:
    ours, theirs = socket.socketpair()
    seat = Seat("api-2", 17, "shared", ("the ingestion worker",))
    with ours, theirs:
        seat.send(ours)
        assert Seat.receive(theirs) == seat
        ours.close()
        with pytest.raises(EOFError):
            Seat.receive(theirs)
