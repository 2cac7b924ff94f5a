"""Run a worker's application until it is told to stop; then drain. Owns the process's signals."""

import socket
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from generation.worker.draining_server import FAREWELL_S, KEEP_ALIVE_S, DrainingServer
from generation.worker.state import Phase, Worker

_BACKLOG: Final = 1024


def listen(host: str, port: int, *, send_timeout_s: float) -> socket.socket:
    """Take a port. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _limit_sending(listener, send_timeout_s)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def inherit(handle: int, *, send_timeout_s: float) -> socket.socket:
    """The listener that whoever started this process left open for it. Raises OSError."""
    listener = socket.socket(fileno=handle)
    _limit_sending(listener, send_timeout_s)
    return listener


def serve(app: ASGIApp, worker: Worker, listener: socket.socket) -> bool:
    """Serve until SIGTERM or SIGINT, or until the model turns out not to load.

    The first signal drains: what is under way has `drain_s` to end, and is told so when it could
    not. A second one does not wait. Whether the model could be loaded.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=FAREWELL_S,
    )
    _WorkerServer(config, worker).run(sockets=[listener])
    return worker.failure is None


def _limit_sending(listener: socket.socket, timeout_s: float) -> None:
    # A client that never reads: closing its connection would wait for ever to flush what it
    # has not taken, so the kernel ends it. Accepted connections inherit this.
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(timeout_s * 1000))


class _WorkerServer(DrainingServer):
    def __init__(self, config: uvicorn.Config, worker: Worker) -> None:
        super().__init__(config, worker, drain_s=worker.settings.drain_s)
        self._worker = worker

    async def on_tick(self, counter: int) -> bool:
        """Asked ten times a second whether to end."""
        return await super().on_tick(counter) or self._worker.phase is Phase.FAILED
