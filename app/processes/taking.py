"""A process that serves what a front hands to it. Knows no route."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Final

import uvicorn

from app.processes.channel import (
    FULL,
    READY,
    TAKEN,
    UNREADY,
    UP,
    Seat,
    is_running,
    receive_one,
    runs,
)
from app.processes.siblings import socket_of
from app.readiness import Condition
from generation.worker.draining_server import DrainingServer, Work

_TICKS_IN_A_SECOND: Final = 10


class Hand:
    """This process's end of the channel, and what the front said last."""

    def __init__(self, channel: socket.socket, seat: Seat) -> None:
        self.channel = channel
        self.seat = seat
        self._running = 0

    def say(self, said: bytes) -> None:
        """Tell the front something; no error where it has ended, for then so does this process."""
        with suppress(OSError):
            self.channel.send(said)

    def note(self, said: bytes) -> None:
        """Keep what the front said of its workers."""
        if is_running(said[0]):
            self._running = said[0]

    def conditions(self) -> list[Condition]:
        """That each of the front's workers runs."""
        return [
            Condition(f"{name} is not running", partial(self._runs, number))
            for number, name in enumerate(self.seat.workers)
        ]

    def _runs(self, number: int) -> bool:
        return runs(self._running, number)


class TakingServer(DrainingServer):
    """Serves the connections that it is handed, and drains as one that accepts its own."""

    def __init__(
        self,
        config: uvicorn.Config,
        work: Work,
        *,
        drain_s: float,
        hand: Hand,
        is_ready: Callable[[], bool],
        on_second: Callable[[], None] = lambda: None,
    ) -> None:
        """on_second: called once a second."""
        super().__init__(config, work, drain_s=drain_s)
        self._on_second = on_second
        self._hand = hand
        self._is_ready = is_ready
        self._is_to_tell = True  # that the models are there
        self._is_taking = False
        self._taken: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to take connections."""
        await super().startup(sockets)
        self._hand.channel.settimeout(0)
        loop = asyncio.get_running_loop()
        place = socket_of(self._hand.seat)
        # of the one that sat here before
        place.unlink(missing_ok=True)
        self.servers.append(await loop.create_unix_server(self._build_protocol, str(place)))
        loop.add_reader(self._hand.channel, self._take)
        self._is_taking = True
        self._hand.say(UP)

    async def on_tick(self, counter: int) -> bool:
        """Asked ten times a second whether to end; tells the front when the models are there."""
        if counter % _TICKS_IN_A_SECOND == 0:
            self._on_second()
            if self._is_to_tell:
                await self._tell_ready()
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """As usual; from now on the front hands connections to others first."""
        self._is_to_tell = False
        self._hand.say(UNREADY)
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more: what was handed over and not taken is another's."""
        self._stop_taking()
        await super().shutdown(sockets)

    async def _tell_ready(self) -> None:
        # it may have been told to end meanwhile
        if await asyncio.to_thread(self._is_ready) and self._is_to_tell:
            self._is_to_tell = False
            self._hand.say(READY)

    def _take(self) -> None:
        try:
            said, connection = receive_one(self._hand.channel)
        except BlockingIOError:
            return
        except OSError:
            said, connection = b"", None
        if not said:
            # without a front nobody comes any more; the kernel tells this process to end
            self._stop_taking()
        elif is_running(said[0]):
            self._hand.note(said)
        elif connection is None:
            self._hand.say(FULL)
        else:
            self._hand.say(TAKEN)
            self._serve_one(connection)

    def _serve_one(self, connection: socket.socket) -> None:
        task = asyncio.ensure_future(self._connect(connection))
        self._taken.add(task)
        task.add_done_callback(self._taken.discard)

    async def _connect(self, connection: socket.socket) -> None:
        connection.settimeout(0)
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(self._build_protocol, connection)
        except OSError:
            # it has hung up already
            connection.close()

    def _build_protocol(self) -> asyncio.Protocol:
        # as `uvicorn.Server.startup` builds it for connections that it accepts
        return self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            _loop=asyncio.get_running_loop(),
        )

    def _stop_taking(self) -> None:
        if self._is_taking:
            self._is_taking = False
            asyncio.get_running_loop().remove_reader(self._hand.channel)
            self._hand.channel.close()
