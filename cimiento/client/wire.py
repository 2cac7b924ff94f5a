"""Over what a request went, as the HTTP library tells of its steps. Decides nothing."""

from collections.abc import Callable, Mapping
from typing import Any

import httpx2

Hear = Callable[[str, Mapping[str, Any]], Any]
"""What the HTTP library calls with each step of a request."""


class Wire:
    """One request on its way. A transport that connects to nothing tells no steps."""

    def __init__(self) -> None:
        self._is_new = False
        self._is_sent = False
        self._is_answered = False

    def hear(self, step: str, _details: Mapping[str, Any], /) -> None:
        """Take note of a step."""
        self._is_new |= step.startswith("connection.connect_")
        self._is_sent |= step.endswith(".send_request_headers.started")
        self._is_answered |= step.endswith(".receive_response_headers.complete")

    async def hear_async(self, step: str, details: Mapping[str, Any], /) -> None:
        """The same, for whoever awaits."""
        self.hear(step, details)

    def was_idle(self, error: httpx2.TransportError) -> bool:
        """Whether this came of a connection from before, which the other side had closed by then.

        No connection waits for ever, and a request can cross its end.
        """
        if not isinstance(error, httpx2.NetworkError | httpx2.RemoteProtocolError):
            return False
        return self._is_sent and not self._is_new and not self._is_answered
