"""Who of a fleet serves: an entry for each worker that has said so lately. Knows no Ray."""

import threading
import time
from collections.abc import Callable
from typing import Final

REPORT_EVERY_S: Final = 2.0
_SILENT_S: Final = 15.0


class Directory:
    """In memory, and whole again two seconds after it began anew: every worker reports again.

    It is a list and no judge: whoever asks the workers finds out itself who of them is well.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._heard: dict[str, float] = {}

    def report(self, url: str) -> list[str]:
        """Enter a worker, or say that it still serves; the addresses of all that do."""
        with self._lock:
            moment = self._clock()
            self._heard[url] = moment
            self._heard = {
                each: heard for each, heard in self._heard.items() if moment - heard <= _SILENT_S
            }
            return sorted(self._heard)

    def leave(self, url: str) -> None:
        """Take a worker out that serves no more."""
        with self._lock:
            self._heard.pop(url, None)
