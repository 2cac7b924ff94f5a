"""Asks the other processes of one address for what only one of them has in memory."""

from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Final

import httpx2
from starlette.types import Scope

from app.processes.channel import Seat
from cimiento.client.events import EventReader, ServerEvent

# Longer than the heartbeat of a stream of events.
_SILENT_S: Final = 60.0
_CONNECT_S: Final = 5.0
# Who asks, and from where on: a sibling decides itself whether they may.
_PASSED_ON: Final = ("host", "authorization", "cookie", "last-event-id")


class Siblings:
    """Reached over sockets in the folder that they share, which only their user may enter."""

    def __init__(self, seat: Seat) -> None:
        self._own = socket_of(seat)

    async def follow(
        self, path: str, headers: Mapping[str, str]
    ) -> AsyncGenerator[ServerEvent, None]:
        """The events at that path of whichever process has them; none where none does.

        May end early, where that process does.
        """
        passed_on = {name: headers[name] for name in _PASSED_ON if name in headers}
        for place in sorted(self._own.parent.glob(f"*{self._own.suffix}")):
            if place == self._own:
                continue
            transport = httpx2.AsyncHTTPTransport(uds=str(place))
            timeout = httpx2.Timeout(_SILENT_S, connect=_CONNECT_S)
            try:
                async with (
                    httpx2.AsyncClient(transport=transport, timeout=timeout) as client,
                    client.stream("GET", f"http://sibling{path}", headers=passed_on) as response,
                ):
                    if response.status_code != httpx2.codes.OK:
                        continue
                    reader = EventReader()
                    async for text in response.aiter_text():
                        for event in reader.read(text):
                            yield event
                    return
            except httpx2.TransportError:
                # it has ended, and another may have its place by now
                continue


def socket_of(seat: Seat) -> Path:
    """Where a process listens to its siblings."""
    return seat.shared / f"{seat.name}.sock"


def is_from_sibling(scope: Scope) -> bool:
    """Whether a request came over such a socket: it has no port."""
    server = scope.get("server")
    return server is not None and server[1] is None
