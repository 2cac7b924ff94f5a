"""Lines for the person who waits, on standard error. Knows no numbers of its own."""

import sys
import time
from typing import Final

SECONDS_BETWEEN_LINES: Final = 10.0


def print_line(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


class ProgressLine:
    """One line that is written over on a terminal; a new line now and then in a log file."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._shown_at = -SECONDS_BETWEEN_LINES
        self._width = 0

    def show(self, text: str) -> None:
        now = time.monotonic()
        if self._is_terminal:
            sys.stderr.write("\r" + text.ljust(self._width))
            sys.stderr.flush()
            self._width = len(text)
        elif now - self._shown_at >= SECONDS_BETWEEN_LINES:
            self._shown_at = now
            print_line(text)

    def end(self, text: str) -> None:
        """A line that stays."""
        if self._is_terminal and self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
        self._width = 0
        print_line(text)
