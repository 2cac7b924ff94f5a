"""Let callers in one at a time, first come, first served. Not a lock: any thread may end a turn."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_POLL_S = 0.05


class Turnstile:
    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()

    @property
    def num_inside(self) -> int:
        """Callers that hold or await their turn."""
        return len(self._waiting)

    @contextmanager
    def turn(self, gave_up: Callable[[], bool]) -> Iterator[bool]:
        """Wait for a turn and hold it; False when `gave_up` came true first."""
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
        try:
            yield self._wait(ticket, gave_up)
        finally:
            with self._changed:
                self._waiting.remove(ticket)
                self._changed.notify_all()

    def _wait(self, ticket: object, gave_up: Callable[[], bool]) -> bool:
        with self._changed:
            while self._waiting[0] is not ticket:
                if gave_up():
                    return False
                self._changed.wait(_POLL_S)
            return True
