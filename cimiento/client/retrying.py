"""When a request is sent again, and after how long. Decides; waits for nothing itself."""

import random
from dataclasses import dataclass, field
from typing import Final

import httpx2

from cimiento.client.errors import ApiError, UnreachableError
from cimiento.client.wire import Wire

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 8.0
# Whoever is told to wait for longer, such as until the next day's tokens, decides for itself.
_MAX_RETRY_AFTER_S: Final = 60.0
# The service has not begun: sending again does nothing twice.
_NOT_BEGUN: Final = frozenset({429, 503})
_MAYBE_BEGUN: Final = frozenset({500, 502, 504})


@dataclass(slots=True)
class Retries:
    """The tries of one request. `max_retries` are made without any success between them."""

    max_retries: int
    num_failed: int = field(default=0, init=False)
    was_at_once: bool = field(default=False, init=False)

    def succeed(self) -> None:
        """Something came: the next failure is the first."""
        self.num_failed = 0

    def is_at_once(self, error: httpx2.TransportError, wire: Wire, *, is_safe: bool) -> bool:
        """Whether to send it again without a pause, which counts as no try: once a request."""
        if self.was_at_once or not is_safe or not wire.was_idle(error):
            return False
        self.was_at_once = True
        return True

    def pause_s(self, error: ApiError | httpx2.TransportError, *, is_safe: bool) -> float:
        """Seconds until the next try. Where there is none, raises the error.

        is_safe: sending the request twice does no harm. Raises `ApiError` and `UnreachableError`.
        """
        self.num_failed += 1
        if self.num_failed > self.max_retries or not _can_help(error, is_safe=is_safe):
            if isinstance(error, ApiError):
                raise error
            raise UnreachableError(f"no answer: {str(error) or type(error).__name__}") from error
        if isinstance(error, ApiError) and error.retry_after_s is not None:
            return error.retry_after_s
        longest_s: float = min(_FIRST_PAUSE_S * 2 ** (self.num_failed - 1), _LONGEST_PAUSE_S)
        # not all clients at once
        return longest_s * random.uniform(0.5, 1.0)  # noqa: S311 - no secret hangs on it


def _can_help(error: ApiError | httpx2.TransportError, *, is_safe: bool) -> bool:
    if isinstance(error, ApiError):
        if (error.retry_after_s or 0) > _MAX_RETRY_AFTER_S:
            return False
        return error.status in _NOT_BEGUN or (is_safe and error.status in _MAYBE_BEGUN)
    # without a connection nothing was sent
    return is_safe or isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
