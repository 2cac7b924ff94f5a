"""End a text at a stop string, and show nothing of one before its time. Text only, no tokens."""

from collections.abc import Sequence
from typing import Final

MAX_STOPS: Final = 16
MAX_STOP_LENGTH: Final = 1_000


class StopStringError(ValueError):
    """Stop strings are too many, too long or empty; the message says which and the limit."""


class StopStrings:
    """Passes text on as it comes, up to the first stop string, which is not part of it.

    First is what ends first; of two that end together, the longer. What may yet become a stop
    string is held back. Each character costs the same on average, however long the text and
    however it is cut up: one automaton per stop string (Knuth, Morris and Pratt 1977).
    """

    def __init__(self, stops: Sequence[str]) -> None:
        if len(stops) > MAX_STOPS:
            raise StopStringError(
                f"at most {MAX_STOPS} stop strings are accepted, got {len(stops)}"
            )
        for stop in stops:
            if not 0 < len(stop) <= MAX_STOP_LENGTH:
                raise StopStringError(
                    f"a stop string has 1 to {MAX_STOP_LENGTH} characters, got one of {len(stop)}"
                )
        self._matchers = [_Matcher(stop) for stop in stops]
        self._held = ""
        self._stopped_by: str | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether a stop string has come; no more text does."""
        return self._stopped_by is not None

    @property
    def stopped_by(self) -> str | None:
        """The stop string that has come."""
        return self._stopped_by

    def push(self, text: str) -> str:
        """Take more text; what may be shown now."""
        if self.is_stopped or not self._matchers:
            return "" if self.is_stopped else text
        seen = self._held + text
        for end, char in enumerate(text, start=len(self._held) + 1):
            ended = [matcher.stop for matcher in self._matchers if matcher.advance(char)]
            if ended:
                self._stopped_by = max(ended, key=len)
                self._held = ""
                return seen[: end - len(self._stopped_by)]
        num_held = max(matcher.num_matched for matcher in self._matchers)
        shown = len(seen) - num_held
        self._held = seen[shown:]
        return seen[:shown]

    def flush(self) -> str:
        """The text has ended: what was held back, which is no stop string after all."""
        held, self._held = self._held, ""
        return held


class _Matcher:
    """Follows how much of one stop string the text so far ends with."""

    def __init__(self, stop: str) -> None:
        self.stop = stop
        self.num_matched = 0
        self._fallbacks = _find_fallbacks(stop)

    def advance(self, char: str) -> bool:
        """Take a character; whether the stop string ends with it."""
        while self.num_matched and self.stop[self.num_matched] != char:
            self.num_matched = self._fallbacks[self.num_matched - 1]
        if self.stop[self.num_matched] == char:
            self.num_matched += 1
        return self.num_matched == len(self.stop)


def _find_fallbacks(stop: str) -> list[int]:
    """For each prefix, the size of the longest shorter prefix that it ends with."""
    fallbacks = [0]
    size = 0
    for char in stop[1:]:
        while size and stop[size] != char:
            size = fallbacks[size - 1]
        size += stop[size] == char
        fallbacks.append(size)
    return fallbacks
