"""What the front and a process that serves say to each other: single bytes over a socket.

A connection travels beside its byte. First comes one line, which tells the process who it is.
"""

import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

GENERATION_WORKER: Final = "the generation worker"
INGESTION_WORKER: Final = "the ingestion worker"

# said by a process
UP: Final = b"u"
READY: Final = b"r"
UNREADY: Final = b"n"
TAKEN: Final = b"t"
FULL: Final = b"f"
# said by the front: with a connection beside it
HANDED: Final = b"c"
# or, with a bit for each of its workers that runs
_RUNNING: Final = 0x80
_MAX_LINE_BYTES: Final = 65536


@dataclass(frozen=True, slots=True)
class Seat:
    """Who a process is among those of one address.

    folder: what they share while the service runs. workers: other processes beside them, named as
    `/health/ready` names what is missing.
    """

    name: str
    parent_pid: int
    folder: str
    workers: tuple[str, ...]

    @property
    def shared(self) -> Path:
        """The folder as a path."""
        return Path(self.folder)

    @property
    def has_model(self) -> bool:
        """Whether the model that answers is one of the workers'."""
        return GENERATION_WORKER in self.workers

    def send(self, channel: socket.socket) -> None:
        """Tell a process that is being started."""
        channel.sendall(json.dumps(asdict(self)).encode() + b"\n")

    @classmethod
    def receive(cls, channel: socket.socket) -> Self:
        """What this process was told. Raises `EOFError` where nobody is there to tell."""
        line = b""
        while not line.endswith(b"\n"):
            said = channel.recv(_MAX_LINE_BYTES)
            if not said:
                raise EOFError("the process that was to hand connections over has ended")
            line += said
        told = json.loads(line)
        return cls(**told | {"workers": tuple(told["workers"])})


def running(states: tuple[bool, ...]) -> bytes:
    """Which workers run, as the front says it."""
    bits = sum(1 << number for number, runs in enumerate(states) if runs)
    return bytes([_RUNNING | bits])


def runs(said: int, number: int) -> bool:
    """Whether that worker runs, by what the front said."""
    return bool(said & (1 << number))


def is_running(said: int) -> bool:
    """Whether a byte of the front is about workers."""
    return bool(said & _RUNNING)


def receive_one(channel: socket.socket) -> tuple[bytes, socket.socket | None]:
    """The next byte, and the connection beside it; an empty byte where the other end is closed.

    No connection where this process has no room for a file more: the front still has it. Raises
    `BlockingIOError` where there is nothing.
    """
    said, handles, _flags, _address = socket.recv_fds(channel, 1, 1)
    for extra in handles[1:]:
        os.close(extra)
    return said, socket.socket(fileno=handles[0]) if handles else None
