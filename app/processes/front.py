"""Takes connections and hands each to a process that is free. Reads no byte of any.

Processes that all accept from one socket share connections unevenly, and connections stay where
they are for long: docs/decisions/0038-several-processes-behind-one-address.md has figures. So one
takes them and hands them out by turns. A process is free when it has taken what it was handed
before; until then the front keeps the connection too, and hands it to another where that one dies.
"""

import errno
import math
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from app.processes.channel import FULL, HANDED, READY, TAKEN, UNREADY, UP

_log = structlog.get_logger()

# Before somebody is asked again who has no room for a file more.
_FULL_S: Final = 1.0
_NO_ROOM: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


@dataclass(eq=False, slots=True)
class Member:
    """A process that serves. `handed`: a connection that it has not taken yet."""

    channel: socket.socket
    was_up: bool = False
    is_ready: bool = False
    handed: socket.socket | None = None
    full_until_s: float = -math.inf

    def is_free(self, now_s: float) -> bool:
        """Whether it may be handed a connection."""
        return self.was_up and self.handed is None and now_s >= self.full_until_s


class Front:
    """The listener and those who serve what comes. `step` is for one thread, the rest for any."""

    def __init__(self, listener: socket.socket) -> None:
        listener.settimeout(0)
        self._listener = listener
        self._is_listening = False
        self._rests_until_s = -math.inf
        self._members: deque[Member] = deque()  # who was handed one longest ago is first
        self._waiting: deque[socket.socket] = deque()
        self._lock = threading.Lock()
        self._joining: list[Member] = []
        self._told = b""
        self._woken, self._waker = socket.socketpair()
        for each in (self._woken, self._waker):
            each.settimeout(0)
        self._selector = selectors.DefaultSelector()
        self._watch(self._woken, self._wake_up)

    @property
    def has_up(self) -> bool:
        """Whether any process serves."""
        return any(member.was_up for member in self._members)

    def join(self, channel: socket.socket) -> Member:
        """A process that was started, at the other end of this channel."""
        channel.settimeout(0)
        member = Member(channel)
        with self._lock:
            self._joining.append(member)
        self.wake()
        return member

    def wake(self) -> None:
        """Let `step` return soon. Also for handlers of signals."""
        with suppress(BlockingIOError):
            self._waker.send(b"w")

    def tell(self, said: bytes) -> None:
        """Say something to every process, those that come later included."""
        if said == self._told:
            return
        self._told = said
        for member in [each for each in self._members if each.was_up]:
            self._say(member, said)

    def step(self, timeout_s: float) -> None:
        """Wait for news at most so long, and do what there is to do."""
        for key, _ in self._selector.select(timeout_s):
            hear: Callable[[], None] = key.data
            hear()
        with self._lock:
            joining, self._joining = self._joining, []
        for member in joining:
            self._members.append(member)
            self._watch(member.channel, partial(self._hear, member))
        self._hand_out()

    def close(self) -> None:
        """Let go of everything; who waits for a process is hung up on."""
        for member in list(self._members):
            self._part(member)
        for each in (*self._waiting, self._listener, self._woken, self._waker):
            each.close()
        self._selector.close()

    def _hand_out(self) -> None:
        while (member := self._choose()) is not None:
            connection = self._waiting.popleft() if self._waiting else self._accept()
            if connection is None:
                break
            self._hand(member, connection)
        # without anybody free a connection that comes would only wake us, over and over
        self._listen(wanted=member is not None)

    def _choose(self) -> Member | None:
        """Whose turn it is: who has loaded its models comes before who has not."""
        now_s = time.monotonic()
        if now_s < self._rests_until_s:
            return None
        # only where nobody is ready do others get any: they can say so at least
        any_ready = any(member.is_ready for member in self._members)
        for member in self._members:
            if member.is_free(now_s) and (member.is_ready or not any_ready):
                return member
        return None

    def _accept(self) -> socket.socket | None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return None
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            _log.warning("no_room_for_connections", reason=str(error))
            self._rests_until_s = time.monotonic() + _FULL_S
            return None
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _hand(self, member: Member, connection: socket.socket) -> None:
        try:
            socket.send_fds(member.channel, [HANDED], [connection.fileno()])
        except OSError:
            self._waiting.append(connection)
            self._part(member)
            return
        member.handed = connection
        self._members.remove(member)
        self._members.append(member)

    def _hear(self, member: Member) -> None:
        try:
            said = member.channel.recv(64)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:
            self._part(member)
            return
        for number in said:
            self._understand(member, bytes([number]))

    def _understand(self, member: Member, said: bytes) -> None:
        handed = member.handed
        if said == UP:
            member.was_up = True
            if self._told:
                self._say(member, self._told)
        elif said in (READY, UNREADY):
            member.is_ready = said == READY
        elif said == TAKEN and handed is not None:
            member.handed = None
            handed.close()
        elif said == FULL and handed is not None:
            member.handed = None
            member.full_until_s = time.monotonic() + _FULL_S
            self._waiting.append(handed)

    def _part(self, member: Member) -> None:
        """Its process has ended. What it had not taken is another's."""
        if member not in self._members:
            return
        self._members.remove(member)
        self._selector.unregister(member.channel)
        member.channel.close()
        if member.handed is not None:
            self._waiting.append(member.handed)
            member.handed = None

    def _say(self, member: Member, said: bytes) -> None:
        try:
            member.channel.send(said)
        except OSError:
            self._part(member)

    def _listen(self, *, wanted: bool) -> None:
        if wanted and not self._is_listening:
            # what has come is accepted by `_hand_out`
            self._watch(self._listener, lambda: None)
        elif self._is_listening and not wanted:
            self._selector.unregister(self._listener)
        self._is_listening = wanted

    def _watch(self, source: socket.socket, hear: Callable[[], None]) -> None:
        self._selector.register(source, selectors.EVENT_READ, hear)

    def _wake_up(self) -> None:
        with suppress(BlockingIOError):
            self._woken.recv(4096)
