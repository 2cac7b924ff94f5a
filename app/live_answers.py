"""Answers that are being written: their events, for whoever listens and listens again.

The work does not hang on one connection. Where the last listener is lost it goes on for a while,
so that the client can come back; nobody who comes back misses an event. Decides nothing of whose
an answer is: `app.api.answers` asks before it lets anybody follow.
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Final

from anyio.streams.memory import MemoryObjectSendStream

from app.streams import ServerEvent
from core.ids import AnswerId, VersionId, WorkerId
from core.types import Passage
from generation.errors import GeneratorBusyError
from generation.types import Example

# Threads of work that waits its turn for a model; apart from those that serve short requests.
_MAX_WORKING: Final = 64
_MAX_RUNNING: Final = 256
# Answers that have ended and are kept for those who come back: the oldest go first.
_MAX_ENDED: Final = 256


@dataclass(frozen=True, slots=True)
class _Waker:
    """A listener that waits, in whatever event loop it runs."""

    loop: asyncio.AbstractEventLoop
    event: asyncio.Event

    def wake(self) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.event.set)


class LiveAnswer:
    """One answer's events, from the first on. Thread-safe; written by one thread."""

    def __init__(self, asker: str, *, resume_s: float) -> None:
        self.asker = asker
        # whose words its events hold
        self.passages: tuple[Passage, ...] = ()
        self.examples: tuple[Example, ...] = ()
        self.ended_s: float | None = None
        self._resume_s = resume_s
        self._lock = threading.Lock()
        self._events: list[ServerEvent] = []
        self._wakers: list[_Waker] = []
        self._num_listeners = 0
        self._giving_up: threading.Timer | None = None
        self._cancelled = threading.Event()
        # questions before it while it waits for its turn; a state, not one of its events
        self.num_before: int | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether others are to have their turn first."""
        return self.is_running and self.num_before is not None

    @property
    def is_running(self) -> bool:
        """Whether its last event is still to come."""
        return self.ended_s is None

    def version_ids(self) -> set[VersionId]:
        """Every version whose words its events may hold."""
        of_examples = {each.version_id for example in self.examples for each in example.sources}
        return of_examples | {passage.version_id for passage in self.passages}

    def is_cancelled(self) -> bool:
        """Whether the work should end."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Let the work end at the next word."""
        self._cancelled.set()

    def emit(self, name: str, data: str) -> None:
        """Add an event, numbered from 1 on, and tell those who listen."""
        with self._lock:
            self._events.append(ServerEvent(name, data, str(len(self._events) + 1)))
            self._wake()

    def wait(self, num_before: int | None) -> None:
        """Tell those who listen how many questions are before it; None: its turn has come."""
        with self._lock:
            self.num_before = num_before
            self._wake()

    def end(self) -> None:
        """There will be no further event."""
        with self._lock:
            self.ended_s = time.monotonic()
            self._wake()

    async def follow(
        self, send: MemoryObjectSendStream[ServerEvent], *, after: int = 0, with_place: bool = False
    ) -> None:
        """Send every event after the first `after` ones, those to come included.

        The last event of all is sent even to those who have it. `with_place`: between them, without
        an id, how many questions are before it, as often as that changes.
        """
        self._join()
        try:
            after = min(after, self._num_followable())
            told: int | None = None
            is_over = False
            while not is_over:
                events, is_over, waker = self._read(after)
                is_idle = not events and not is_over
                if with_place and is_idle and told != (told := self.num_before):
                    await send.send(ServerEvent("waiting", json.dumps({"before": told})))
                for event in events:
                    await send.send(event)
                    # that it goes on says that its turn has come
                    told = None
                after += len(events)
                if is_idle:
                    await waker.event.wait()
        finally:
            self._leave()

    def _num_followable(self) -> int:
        with self._lock:
            return max(0, len(self._events) - (0 if self.is_running else 1))

    def _read(self, after: int) -> tuple[list[ServerEvent], bool, _Waker]:
        """The events after so many, whether they are the last, and what wakes for further ones."""
        waker = _Waker(asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._wakers.append(waker)
            return self._events[after:], not self.is_running, waker

    def _wake(self) -> None:
        wakers, self._wakers = self._wakers, []
        for waker in wakers:
            waker.wake()

    def _join(self) -> None:
        with self._lock:
            self._num_listeners += 1
            if self._giving_up is not None:
                self._giving_up.cancel()
                self._giving_up = None

    def _leave(self) -> None:
        with self._lock:
            self._num_listeners -= 1
            if self._num_listeners or not self.is_running:
                return
            self._giving_up = threading.Timer(self._resume_s, self._give_up)
            self._giving_up.daemon = True
            self._giving_up.start()

    def _give_up(self) -> None:
        with self._lock:
            if self._num_listeners == 0:
                self._cancelled.set()


class LiveAnswers:
    """The answers that this process writes, and those that it has just written. Thread-safe."""

    def __init__(
        self,
        *,
        resume_s: float,
        max_working: int = _MAX_WORKING,
        max_running: int = _MAX_RUNNING,
    ) -> None:
        # under which the process is entered among those that answer; None while it is not
        self.writer_id: WorkerId | None = None
        self._resume_s = resume_s
        self._max_running = max_running
        self._max_working = max_working
        self._lock = threading.Lock()
        self._answers: dict[AnswerId, LiveAnswer] = {}
        self._unbegun: list[LiveAnswer] = []  # first come, first served
        self._num_working = 0
        self._threads = ThreadPoolExecutor(max_working, thread_name_prefix="answer")

    def begin(
        self,
        answer_id: AnswerId,
        asker: str,
        work: Callable[[LiveAnswer], None],
        *,
        enter: Callable[[], None] | None = None,
    ) -> LiveAnswer:
        """Run `work` in a thread, as an answer that can be followed.

        enter: lets other processes know of it, when it can be found here; where that fails, there
        is no such answer.
        """
        live = LiveAnswer(asker, resume_s=self._resume_s)
        with self._lock:
            self._forget_ended()
            self._answers[answer_id] = live
        if enter is not None:
            self._enter(answer_id, enter)
        with self._lock:
            self._unbegun.append(live)
        # the log's context, such as the request's id, goes with the work
        self._threads.submit(copy_context().run, self._do, work, live)
        with self._lock:
            self._note_places()
        return live

    def refuse_more(self) -> None:
        """Raise `GeneratorBusyError` where as many answers are being written or wait as may."""
        if (num_running := self.num_running) >= self._max_running:
            raise GeneratorBusyError(
                f"{num_running} questions are being answered or wait (CIMIENTO_SERVER__MAX_ANSWERS)"
                "; ask again in some seconds"
            )

    def find(self, answer_id: AnswerId) -> LiveAnswer | None:
        """The answer, while it is written and for a while after."""
        with self._lock:
            self._forget_ended()
            return self._answers.get(answer_id)

    def forget(self, answer_id: AnswerId) -> None:
        """Tell nobody any more of an answer that has ended; no error where it is not here."""
        with self._lock:
            self._answers.pop(answer_id, None)

    @property
    def num_running(self) -> int:
        """Answers whose last event is still to come."""
        with self._lock:
            return sum(live.is_running for live in self._answers.values())

    def stop(self) -> None:
        """End what runs; returns when all of it has ended."""
        with self._lock:
            running = list(self._answers.values())
        for live in running:
            live.cancel()
        self._threads.shutdown()

    def _enter(self, answer_id: AnswerId, enter: Callable[[], None]) -> None:
        try:
            enter()
        except BaseException:
            with self._lock:
                del self._answers[answer_id]
            raise

    def _do(self, work: Callable[[LiveAnswer], None], live: LiveAnswer) -> None:
        with self._lock:
            self._unbegun.remove(live)
            self._num_working += 1
            self._note_places()
        live.wait(None)
        try:
            work(live)
        finally:
            live.end()
            with self._lock:
                self._num_working -= 1

    def _note_places(self) -> None:
        """Tell those that find no thread; all that wait for the model are before them."""
        if self._num_working < self._max_working:
            return
        unbegun = set(self._unbegun)
        num_before = sum(live.is_waiting for live in {*self._answers.values()} - unbegun)
        for live in self._unbegun:
            live.wait(num_before)
            num_before += 1

    def _forget_ended(self) -> None:
        ended = {key: live.ended_s for key, live in self._answers.items() if live.ended_s}
        oldest_s = time.monotonic() - self._resume_s
        too_many = sorted(ended, key=ended.__getitem__)[: max(0, len(ended) - _MAX_ENDED)]
        too_old = [key for key, ended_s in ended.items() if ended_s < oldest_s]
        for key in {*too_many, *too_old}:
            del self._answers[key]
