"""A server that drains: the first signal lets what is under way end. Knows no model, no route."""

import asyncio
import contextlib
import socket
import time
from types import FrameType
from typing import Final, Protocol

import structlog
import uvicorn

_log = structlog.get_logger()

FAREWELL_S: Final = 5
"""For replies that were cut short to reach their clients."""

KEEP_ALIVE_S: Final = 75
"""Longer than clients and proxies keep an idle connection: they never use one just closed."""


class Work(Protocol):
    """What is under way behind a server."""

    @property
    def num_under_way(self) -> int:
        """Requests and other work that were let in and have not ended."""
        ...

    def drain(self) -> None:
        """Let nothing new in; what is under way goes on."""
        ...

    def close(self) -> None:
        """End what is still under way."""
        ...


class DrainingServer(uvicorn.Server):
    """Serves until SIGTERM or SIGINT, and then for at most `drain_s` while anything is under way.

    What could not end by then is ended, and told so. A second signal does not wait.
    """

    def __init__(self, config: uvicorn.Config, work: Work, *, drain_s: float) -> None:
        super().__init__(config)
        self._work = work
        self._drain_s = drain_s
        self._drain_until_s: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains, and clients still get answers; the second ends."""
        if self._drain_until_s is not None:
            super().handle_exit(sig, frame)
            return
        self._work.drain()
        self._drain_until_s = time.monotonic() + self._drain_s

    async def on_tick(self, counter: int) -> bool:
        """Asked ten times a second whether to end."""
        return await super().on_tick(counter) or self._is_drained()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what is still under way, so that every request is told, then stop."""
        closing = asyncio.ensure_future(asyncio.to_thread(self._work.close))
        try:
            await super().shutdown(sockets)
        finally:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(closing, FAREWELL_S)

    def _is_drained(self) -> bool:
        if self._drain_until_s is None:
            return False
        if time.monotonic() > self._drain_until_s:
            _log.warning("drain_cut_short", num_under_way=self._work.num_under_way)
            return True
        return self._work.num_under_way == 0
