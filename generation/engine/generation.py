"""One sample's events as an iterator of tokens, for a caller that waits for them."""

import queue
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from generation.engine.errors import EngineError
from generation.engine.events import Event, Finished
from generation.engine.sequence import FinishReason

_POLL_S = 0.05


class GenerationFailedError(EngineError):
    """The engine failed while it computed; the message holds its fault. Trying again may help."""


class Cancellable(Protocol):
    def cancel(self) -> None: ...


def never_cancelled() -> bool:
    return False


class Generation(Iterator[int]):
    """Tokens as they come. `finish_reason` is set once they are exhausted; closing it ends early.

    `cancelled` is asked between tokens and while waiting. Raises GenerationFailedError.
    """

    def __init__(self, cancelled: Callable[[], bool]) -> None:
        self._cancelled = cancelled
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._ready: deque[int] = deque()
        self._ticket: Cancellable | None = None
        self._end: Finished | None = None

    def hear(self, event: Event) -> None:
        """The listener to submit with."""
        self._events.put(event)

    def attach(self, ticket: Cancellable) -> None:
        self._ticket = ticket

    def __next__(self) -> int:
        while not self._ready and self._end is None:
            self._receive()
        if self._ready:
            return self._ready.popleft()
        raise StopIteration

    def close(self) -> None:
        """Stop generating; what has come so far can still be read."""
        if self._end is None and self._ticket is not None:
            self._ticket.cancel()

    def wait_for_score(self) -> float:
        """The log-likelihood that a scoring request asked for."""
        while self._end is None:
            self._receive()
        if self._end.score is None:
            raise GenerationFailedError(f"scoring ended with {self._end.reason}; try again")
        return self._end.score

    @property
    def finish_reason(self) -> FinishReason | None:
        return None if self._end is None else self._end.reason

    @property
    def num_reused_tokens(self) -> int:
        """Prompt tokens whose keys and values were found in the cache; known at the end."""
        return 0 if self._end is None else self._end.num_reused

    def _receive(self) -> None:
        if self._cancelled():
            self.close()
        try:
            event = self._events.get(timeout=_POLL_S)
        except queue.Empty:
            return
        if isinstance(event, Finished):
            self._end = event
            if event.reason is FinishReason.ERROR:
                raise GenerationFailedError(event.error or "the engine failed")
        else:
            self._ready += (choice.token for choice in event.choices)
