"""Completions for an event loop, which must never wait for the engine. Knows no HTTP."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, closing, suppress
from dataclasses import replace
from functools import partial

from generation.completion import Completer, Completion, CompletionUsage, Prepared, TextEvent
from generation.engine.events import Emitted, Event


class AsyncReader:
    """Completions of one or more prompts for an event loop. `close` it, whatever happens.

    Samples are numbered through: those of the second prompt follow those of the first. The engine
    never waits for a slow client: what has come and was not read yet, `max_tokens` at most, is
    given together.
    """

    def __init__(self, completer: Completer, prepared: Sequence[Prepared]) -> None:
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._is_woken = False
        self._arrived: deque[tuple[int, Event]] = deque()
        self._completions: list[Completion] = []
        self._num_samples = prepared[0].request.num_samples
        try:
            for index, item in enumerate(prepared):
                self._completions.append(completer.open(item, partial(self._listen, index)))
        except BaseException:
            self.close()
            raise

    @property
    def usage(self) -> CompletionUsage:
        """What all of them have cost so far."""
        each = [completion.usage for completion in self._completions]
        return CompletionUsage(
            sum(usage.prompt_tokens for usage in each),
            sum(usage.completion_tokens for usage in each),
            sum(usage.cached_tokens for usage in each),
        )

    @property
    def num_before(self) -> int | None:
        """Requests that wait before the first prompt; None once that has begun."""
        return self._completions[0].num_before

    @property
    def num_samples(self) -> int:
        """Samples of all prompts together."""
        return self._num_samples * len(self._completions)

    def close(self) -> None:
        """End the work; safe at any time."""
        for completion in self._completions:
            completion.close()

    async def batches(
        self, *, idle_s: float | None = None
    ) -> AsyncGenerator[tuple[TextEvent, ...], None]:
        """Pieces of text and ends of samples as they come; empty where none came for `idle_s`."""
        with closing(self):
            while not all(completion.is_finished for completion in self._completions):
                try:
                    async with asyncio.timeout(idle_s):
                        await self._wake.wait()
                except TimeoutError:
                    yield ()
                    continue
                self._wake.clear()
                if events := tuple(self._take_all()):
                    yield events

    async def events(self) -> AsyncGenerator[TextEvent, None]:
        """The same, one by one."""
        async with aclosing(self.batches()) as batches:
            async for batch in batches:
                for event in batch:
                    yield event

    def _listen(self, index: int, event: Event) -> None:
        # The engine's thread: it must neither wait nor fail because the loop has ended meanwhile.
        # Waking a loop costs a system call, so it is woken once for all that waits.
        self._arrived.append((index, event))
        if not self._is_woken:
            self._is_woken = True
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._wake.set)

    def _take_all(self) -> Iterator[TextEvent]:
        # first, so that whatever comes from here on wakes again
        self._is_woken = False
        waiting: list[tuple[int, Event]] = []
        last_of: dict[tuple[int, int], int] = {}
        while self._arrived:
            index, event = self._arrived.popleft()
            key = index, event.sample
            last = waiting[last_of[key]][1] if key in last_of else None
            if isinstance(event, Emitted) and isinstance(last, Emitted):
                joined = Emitted(event.sample, last.choices + event.choices)
                waiting[last_of[key]] = index, joined
            else:
                last_of[key] = len(waiting)
                waiting.append((index, event))
        for index, event in waiting:
            first = index * self._num_samples
            for item in self._completions[index].take(event):
                yield replace(item, sample=first + item.sample) if first else item
