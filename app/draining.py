"""Whether the service takes new work, and how much is under way. Knows no signals, no HTTP."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Draining:
    """Counts what is under way; once told to drain, what begins anew is refused. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._num_under_way = 0
        self._is_on = False

    @property
    def is_on(self) -> bool:
        """Whether new work is refused."""
        return self._is_on

    @property
    def num_under_way(self) -> int:
        """Requests that have not been answered to their end."""
        return self._num_under_way

    def begin(self) -> None:
        """Refuse new work from now on; what is under way goes on."""
        self._is_on = True

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """A request that draining waits for."""
        with self._lock:
            self._num_under_way += 1
        try:
            yield
        finally:
            with self._lock:
                self._num_under_way -= 1
