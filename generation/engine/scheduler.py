"""Which tokens to compute next: continuous batching under one token budget. Knows no tensors.

There are no phases. A sequence has tokens that are not computed yet: one while it decodes, many
while its prompt is read, a few more when lookup guesses. A step takes from the sequences until the
budget is spent: first those that decode, so that nobody's stream stalls while another's prompt is
read, then prompts that are half read, then those that wait. Prompts are cut to what is left.

CHAT comes before BATCH at every turn. A chat that finds no seat or no pages takes those of the
batch sequences admitted last. When a running sequence finds no page it takes those of the last one
admitted of the lowest priority, or waits where that is itself: so the one at the front always gets
on. A preempted sequence computes its tokens again, or finds them in the cache.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from generation.engine.errors import EngineError
from generation.engine.pages import PagePool
from generation.engine.sequence import Priority, Sequence
from generation.engine.waiting import WaitingRoom


class SchedulerLimitsError(EngineError):
    """The limits of the scheduler contradict each other or the number of pages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerLimits:
    """max_batch_tokens: computed in one step. max_sequences: running. max_waiting: in the queue.

    max_context: tokens of one sequence, prompt and output.
    """

    max_batch_tokens: int
    max_sequences: int
    max_waiting: int
    max_context: int

    def __post_init__(self) -> None:
        if min(self.max_sequences, self.max_waiting, self.max_context) < 1:
            raise SchedulerLimitsError(f"limits must be at least 1, got {self}")
        if self.max_batch_tokens < self.max_sequences:
            raise SchedulerLimitsError(
                f"max_batch_tokens is {self.max_batch_tokens} and must be at least max_sequences, "
                f"{self.max_sequences}: every running sequence gets one token a step"
            )


Copies = tuple[tuple[int, int], ...]  # pages: from, to


@dataclass(frozen=True, slots=True)
class Work:
    """Compute `num_tokens` of a sequence from `start` on; the last `num_guesses` are guesses.

    completes: whether the next token can be chosen then.
    copies: pages to copy beforehand, (from, to); in order, and before anything of the step is
        computed. Empty unless the scheduler is to keep runs.
    """

    sequence: Sequence
    start: int
    num_tokens: int
    num_guesses: int
    completes: bool
    copies: Copies = ()

    @property
    def end(self) -> int:
        return self.start + self.num_tokens


@dataclass(slots=True)
class _Step:
    """The work of one step while it is put together."""

    num_left: int  # tokens of the budget
    works: dict[Sequence, Work] = field(default_factory=dict)

    def add(self, work: Work) -> None:
        self.works[work.sequence] = work
        self.num_left -= work.num_tokens

    def drop(self, sequence: Sequence) -> None:
        work = self.works.pop(sequence, None)
        if work is not None:
            self.num_left += work.num_tokens


class Scheduler:
    """Sequences waiting and running over one pool of pages. Not thread-safe.

    The caller adds sequences, then repeats: `schedule`, compute, extend the output, `complete` each
    work. It removes a sequence as soon as it ends; never between `schedule` and the computation.

    Where the pool keeps runs, a known prefix that the sequence could not go on right after is
    copied to where all of it fits in one run. One copy then saves gathering scattered pages at
    every step.
    """

    def __init__(self, pool: PagePool, limits: SchedulerLimits) -> None:
        num_tokens = pool.num_pages * pool.page_size
        if limits.max_context > num_tokens:
            raise SchedulerLimitsError(
                f"max_context is {limits.max_context} but {pool.num_pages} pages hold only "
                f"{num_tokens} tokens; give the cache more memory or lower max_context"
            )
        self._pool = pool
        self._limits = limits
        self._waiting = WaitingRoom()
        # in order of admission; tokens computed since, which are given back if it is preempted
        self._running: dict[Sequence, int] = {}
        self._next_deadline = math.inf  # no deadline passes before
        self._step = _Step(0)

    @property
    def num_waiting(self) -> int:
        return len(self._waiting)

    @property
    def num_running(self) -> int:
        return len(self._running)

    @property
    def has_work(self) -> bool:
        return self.num_running + self.num_waiting > 0

    @property
    def is_full(self) -> bool:
        """Whether no more should be added."""
        return self.num_waiting >= self._limits.max_waiting

    def sequences(self) -> list[Sequence]:
        """All that were added and not removed."""
        return list(self._all())

    def add(self, sequence: Sequence) -> None:
        """Let a new sequence wait its turn."""
        self._waiting.add(sequence)
        self._next_deadline = min(self._next_deadline, self._waiting.deadline(sequence))

    def remove(self, sequence: Sequence) -> None:
        """Forget a sequence, wherever it is, and release its pages. Gone already: does nothing."""
        if sequence in self._running:
            del self._running[sequence]
            self._step.drop(sequence)
            self._release(sequence)
        self._waiting.forget(sequence)

    def expired(self, now: float) -> list[Sequence]:
        """Sequences with a deadline that has passed, for the caller to remove.

        In the queue: until anything of the request is computed. First token: until there is output.
        """
        if now < self._next_deadline:
            return []
        deadlines = {sequence: self._waiting.deadline(sequence) for sequence in self._all()}
        self._next_deadline = min(deadlines.values(), default=math.inf)
        return [sequence for sequence, deadline in deadlines.items() if deadline <= now]

    def schedule(self) -> list[Work]:
        """What to compute next, with pages for it. Empty only where there is nothing to do."""
        self._step = _Step(self._limits.max_batch_tokens)
        self._schedule_decodes()
        for priority in Priority:
            self._schedule_prefills(priority)
            self._admit(priority)
        self._waiting.note_places()
        return list(self._step.works.values())

    def complete(self, work: Work, num_accepted: int = 0) -> None:
        """Count `work` as computed, with that many of its guesses found right.

        Call it when the output holds the accepted guesses. Pages that are full become findable:
        only with verified tokens, since what follows a wrong guess is worthless.
        """
        sequence = work.sequence
        if self._step.works.get(sequence) is not work:
            return  # removed since
        before = sequence.num_computed
        computed = work.end - work.num_guesses + num_accepted
        sequence.num_computed = min(computed, sequence.num_tokens)
        sequence.guesses.clear()
        self._register_full_pages(sequence, before)
        if sequence.num_computed >= sequence.num_prompt:
            self._waiting.prompt_computed(sequence)

    def check(self) -> None:
        """Raise PageAccountingError where pages are held by others than the running sequences."""
        self._pool.check(sequence.pages for sequence in self._all())

    # what to compute

    def _schedule_decodes(self) -> None:
        decoding = [sequence for sequence in self._running if _has_prompt(sequence)]
        decoding.sort(key=lambda sequence: sequence.request.priority)  # then earliest admitted
        # the rest is for prompts: a small budget must not go to guesses alone
        num_spare = (self._step.num_left - len(decoding)) // 2
        for sequence in decoding:
            if sequence in self._running:  # none before it has preempted it
                num_tokens = self._compute(sequence, 1 + num_spare)
                num_spare -= max(0, num_tokens - 1)

    def _schedule_prefills(self, priority: Priority) -> None:
        reading = [
            sequence
            for sequence in self._running
            if sequence.request.priority is priority and not _has_prompt(sequence)
        ]
        for sequence in reading:
            if self._step.num_left > 0 and sequence in self._running:
                self._compute(sequence, self._step.num_left)

    def _admit(self, priority: Priority) -> None:
        """Let those waiting run, in turn, as long as there are tokens, seats and pages."""
        while self._step.num_left > 0 and (sequence := self._waiting.next(priority)):
            if not self._seat(sequence):
                return
            self._waiting.take(sequence)
            copies = self._move_to_run(sequence) if self._pool.keeps_runs else ()
            self._compute(sequence, self._step.num_left, copies=copies)

    def _compute(self, sequence: Sequence, max_tokens: int, *, copies: Copies = ()) -> int:
        """Add work of at most `max_tokens` to the step, as far as pages go; how many tokens."""
        num_tokens = self._secure(sequence, min(sequence.num_uncomputed, max_tokens))
        if num_tokens == 0:
            return 0
        completes = num_tokens == sequence.num_uncomputed
        num_guesses = self._trim_guesses(sequence, max_tokens - num_tokens) if completes else 0
        num_tokens += num_guesses
        start = sequence.num_computed
        self._step.add(Work(sequence, start, num_tokens, num_guesses, completes, copies))
        self._running[sequence] += num_tokens
        self._waiting.charge(sequence, num_tokens)
        return num_tokens

    def _trim_guesses(self, sequence: Sequence, max_guesses: int) -> int:
        """Drop guesses past the context, `max_guesses` or free pages; how many are left."""
        if not sequence.guesses:
            return 0
        end = sequence.num_tokens
        max_guesses = min(max_guesses, self._limits.max_context - end)
        del sequence.guesses[max(0, max_guesses) :]
        self._allocate(sequence, end + len(sequence.guesses))
        del sequence.guesses[self._num_token_slots(sequence) - end :]
        return len(sequence.guesses)

    # seats and pages

    def _seat(self, sequence: Sequence) -> bool:
        """Admit a sequence with the pages of its known prefix, if all of it will find room."""
        full = len(self._running) >= self._limits.max_sequences
        if full and not any(_outranks(sequence, other) for other in self._running):
            return False
        prefix = self._pool.find_prefix(
            _reusable_tokens(sequence), owner=sequence.request.cache_key
        )
        self._pool.share(prefix)
        sequence.pages = prefix
        if not self._make_room(sequence):
            self._release(sequence)
            return False
        self._running[sequence] = 0
        sequence.num_computed = len(prefix) * self._pool.page_size
        if sequence.num_preemptions == 0:
            sequence.num_reused = sequence.num_computed
        return True

    def _make_room(self, sequence: Sequence) -> bool:
        """Whether it fits, where need be in place of lower priorities; preempts no more of them
        than it must, and none where that would not be enough."""
        lower = [other for other in self._running if _outranks(sequence, other)]
        if not self._would_fit(sequence, without=lower):
            return False
        while not self._would_fit(sequence, without=[]):
            self._preempt(self._last_in_line())
        return True

    def _would_fit(self, sequence: Sequence, *, without: list[Sequence]) -> bool:
        """Whether a seat and pages would be free if those in `without` were preempted.

        What running sequences will want for the tokens they already have counts as taken.
        """
        others = self._running.keys() - set(without)
        num_free = self._pool.num_free + self._pool.num_freed_by(other.pages for other in without)
        num_wanted = sum(map(self._num_missing, others)) + self._num_missing(sequence)
        return len(others) < self._limits.max_sequences and num_wanted <= num_free

    def _num_missing(self, sequence: Sequence) -> int:
        """Pages that a sequence lacks for its tokens and the next one."""
        num_tokens = min(sequence.num_tokens + 1, self._limits.max_context)
        return max(0, self._pool.num_pages_for(num_tokens) - len(sequence.pages))

    def _secure(self, sequence: Sequence, num_tokens: int) -> int:
        """Pages for the next `num_tokens`, where need be in place of others; for how many."""
        end = sequence.num_computed + num_tokens
        num_missing = self._pool.num_pages_for(end) - len(sequence.pages)
        while not self._pool.can_allocate(num_missing):
            victim = self._last_in_line()
            if victim is sequence:
                break
            self._preempt(victim)
        self._allocate(sequence, end)
        return min(num_tokens, self._num_token_slots(sequence) - sequence.num_computed)

    def _allocate(self, sequence: Sequence, end: int) -> None:
        """Pages for tokens up to `end`, or as many as there are."""
        num_pages = self._pool.num_pages_for(end) - len(sequence.pages)
        if num_pages > 0:
            sequence.pages += self._pool.allocate(
                min(num_pages, self._pool.num_free),
                after=sequence.pages[-1] if sequence.pages else None,
                room=self._num_expected(sequence) - len(sequence.pages),
            )

    def _move_to_run(self, sequence: Sequence) -> Copies:
        """Give a sequence with a shared prefix pages of its own for it, if that makes one run."""
        prefix, num_expected = sequence.pages, self._num_expected(sequence)
        is_scored = sequence.request.score_from is not None  # has few steps: sharing is cheaper
        if not prefix or is_scored:
            return ()
        if self._pool.room_after(prefix) >= num_expected - len(prefix):
            return ()
        num_wanted = sum(map(self._num_missing, self._running))
        if not self._pool.can_allocate(num_wanted + len(prefix)):
            return ()
        pages = self._pool.allocate(len(prefix), room=num_expected)
        if self._pool.room_after(pages) < self._num_missing(sequence):
            self._pool.release(pages)
            return ()
        self._pool.release(prefix)
        sequence.pages = pages
        return tuple(zip(prefix, pages, strict=True))

    def _num_expected(self, sequence: Sequence) -> int:
        """Pages that a sequence will want in all if it says as much as it may."""
        num_tokens = sequence.num_prompt
        if sequence.request.score_from is None:
            num_tokens += sequence.params.max_tokens
        return self._pool.num_pages_for(min(num_tokens, self._limits.max_context))

    def _num_token_slots(self, sequence: Sequence) -> int:
        return len(sequence.pages) * self._pool.page_size

    def _last_in_line(self) -> Sequence:
        """The running sequence to preempt first: lowest priority, then latest admitted."""
        return max(reversed(self._running), key=lambda sequence: sequence.request.priority)

    def _preempt(self, sequence: Sequence) -> None:
        # not billed for what it will have to compute again
        self._waiting.charge(sequence, -self._running.pop(sequence))
        self._step.drop(sequence)
        self._release(sequence)
        sequence.guesses.clear()
        sequence.num_computed = 0
        sequence.num_preemptions += 1
        self._waiting.put_back(sequence)

    def _release(self, sequence: Sequence) -> None:
        self._pool.release(sequence.pages)
        sequence.pages = []

    def _register_full_pages(self, sequence: Sequence, num_before: int) -> None:
        size, pages = self._pool.page_size, sequence.pages
        first = num_before // size
        while first and not self._pool.is_registered(pages[first - 1]):
            first -= 1  # a copy, which has come true only now
        for index in range(first, sequence.num_computed // size):
            self._pool.register(
                pages[index],
                sequence.token_ids(index * size, (index + 1) * size),
                after=pages[index - 1] if index else None,
                owner=sequence.request.cache_key,
            )

    def _all(self) -> Iterator[Sequence]:
        yield from self._running
        yield from self._waiting


def _has_prompt(sequence: Sequence) -> bool:
    """Whether only tokens of the output are left to compute, one or a few."""
    return sequence.num_computed >= sequence.num_prompt or sequence.is_decoding


def _outranks(sequence: Sequence, other: Sequence) -> bool:
    return sequence.request.priority < other.request.priority


def _reusable_tokens(sequence: Sequence) -> list[int]:
    """The tokens that need not be computed if they are in the cache.

    At least the last one must be, for the logits after it; when scoring, so must all from the one
    before the continuation on.
    """
    score_from = sequence.request.score_from
    end = sequence.num_tokens if score_from is None else score_from
    return sequence.token_ids(0, end - 1)
