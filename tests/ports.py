"""Ports for services that tests start in processes of their own."""

import socket
from typing import Final

_HELD: Final[list[socket.socket]] = []


def free_port() -> int:
    """A loopback port that nobody else is given until this process ends.

    It stays bound and never listens. Linux lets the service bind it all the same, since both reuse
    addresses, and gives it to no connection and to nobody who asks for any port.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    _HELD.append(holder)
    return int(holder.getsockname()[1])
