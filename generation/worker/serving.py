"""Run a worker's application until it is told to stop; then drain. Owns the process's signals."""

import asyncio
import contextlib
import socket
import time
from types import FrameType
from typing import Final

import structlog
import uvicorn
from starlette.types import ASGIApp

from generation.worker.state import Phase, Worker

_log = structlog.get_logger()

# for replies that were cut short to reach their clients
_FAREWELL_S: Final = 5
# longer than clients and proxies keep an idle connection, so that they never use one just closed
_KEEP_ALIVE_S: Final = 75
_BACKLOG: Final = 1024


def listen(host: str, port: int, *, send_timeout_s: float) -> socket.socket:
    """Take a port. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # A client that never reads: closing its connection would wait for ever to flush what it
        # has not taken, so the kernel ends it. Accepted connections inherit this.
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            timeout_ms = int(send_timeout_s * 1000)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
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
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_FAREWELL_S,
    )
    _DrainingServer(config, worker).run(sockets=[listener])
    return worker.failure is None


class _DrainingServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, worker: Worker) -> None:
        super().__init__(config)
        self._worker = worker
        self._drain_until_s: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains, and clients still get answers; the second ends."""
        if self._drain_until_s is not None:
            super().handle_exit(sig, frame)
            return
        self._worker.drain()
        self._drain_until_s = time.monotonic() + self._worker.settings.drain_s

    async def on_tick(self, counter: int) -> bool:
        """Asked ten times a second whether to end."""
        is_over = self._is_drained() or self._worker.phase is Phase.FAILED
        return await super().on_tick(counter) or is_over

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what is still under way, so that every request is told, then stop."""
        closing = asyncio.ensure_future(asyncio.to_thread(self._worker.close))
        try:
            await super().shutdown(sockets)
        finally:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(closing, _FAREWELL_S)

    def _is_drained(self) -> bool:
        if self._drain_until_s is None:
            return False
        if time.monotonic() > self._drain_until_s:
            _log.warning("drain_cut_short", num_under_way=self._worker.num_under_way)
            return True
        return self._worker.num_under_way == 0
