"""How often a key may ask and a password may be tried, by whatever counts it."""

import math
import time
from typing import Final

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage, Storage
from limits.strategies import MovingWindowRateLimiter

from app.people.errors import RateLimitedError

# Wrong passwords: for one name from one address, and from one address altogether. Not for one name
# from everywhere: a stranger could then keep its owner out.
_FOR_A_NAME: Final = RateLimitItemPerMinute(10, multiples=5)
_FROM_AN_ADDRESS: Final = RateLimitItemPerMinute(60, multiples=5)


class Throttle:
    """Counts requests of keys and failed sign-ins. Thread-safe.

    windows: what several processes count in; by default the memory of this one.
    """

    def __init__(self, windows: Storage | None = None) -> None:
        self._limiter = MovingWindowRateLimiter(windows or MemoryStorage())

    def count_request(self, caller: str, max_per_minute: int) -> None:
        """Count a request. Raises `RateLimitedError` where it is one too many."""
        limit = RateLimitItemPerMinute(max_per_minute)
        if not self._limiter.hit(limit, "requests", caller):
            raise RateLimitedError(
                f"this key may send {max_per_minute} requests a minute",
                retry_after_s=self._seconds_left(limit, "requests", caller),
            )

    def refuse_after_failures(self, name: str, address: str) -> None:
        """Raise `RateLimitedError` where too many passwords were wrong just now."""
        for limit, who in _limits(name, address):
            if not self._limiter.test(limit, *who):
                raise RateLimitedError(
                    "too many wrong passwords; wait a while",
                    retry_after_s=self._seconds_left(limit, *who),
                )

    def count_failure(self, name: str, address: str) -> None:
        """Count a wrong password."""
        for limit, who in _limits(name, address):
            self._limiter.hit(limit, *who)

    def _seconds_left(self, limit: RateLimitItem, *who: str) -> int:
        stats = self._limiter.get_window_stats(limit, *who)
        return math.ceil(stats.reset_time - time.time())


def _limits(name: str, address: str) -> tuple[tuple[RateLimitItem, tuple[str, ...]], ...]:
    return (_FOR_A_NAME, ("name", name, address)), (_FROM_AN_ADDRESS, ("address", address))
