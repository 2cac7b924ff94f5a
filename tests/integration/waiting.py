"""Wait for a condition, never for a time."""

import time
from collections.abc import Callable


def until(condition: Callable[[], bool], *, within_s: float = 60.0) -> None:
    """Return as soon as the condition holds; fail when it never comes to hold."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
