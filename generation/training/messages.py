"""Lines for the person who waits, on standard error. Knows no numbers of its own."""

import sys
import time
from collections.abc import Callable
from typing import Final

from generation.training.errors import OptionError, TrainingError

SECONDS_BETWEEN_LINES: Final = 10.0

Report = Callable[[str], None]


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


def run_command(train: Callable[[], object]) -> int:
    """Run a trainer, say what went wrong, and give the exit code: 0, 1 failed, 2 wrong option."""
    try:
        train()
    except TrainingError as error:
        print_line(f"error: {error}")
        return 2 if isinstance(error, OptionError) else 1
    except OSError as error:
        print_line(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        print_line("interrupted at once; what was saved before stays")
        return 1
    return 0
