"""Sequences that wait for a seat: by priority, fair among tenants, samples behind their first.

Of a request's samples one, the leader, computes the prompt. The others follow: they are held back
until it has, and then find the prompt in the cache. Where the leader goes before that, the next
sample leads.
"""

import math
from collections.abc import Iterator
from itertools import groupby

from generation.engine.fairness import FairQueue
from generation.engine.sequence import Priority, Sequence


class WaitingRoom:
    """Also keeps the tenants' accounts, which say whose turn it is."""

    def __init__(self) -> None:
        self._queues = {priority: FairQueue() for priority in Priority}
        # by the identity of their request
        self._leaders: dict[int, Sequence] = {}  # until they have computed the prompt
        self._followers: dict[int, list[Sequence]] = {}
        self._unbegun: set[Sequence] = set()

    def __len__(self) -> int:
        held = sum(map(len, self._followers.values()))
        return held + sum(map(len, self._queues.values()))

    def __iter__(self) -> Iterator[Sequence]:
        for queue in self._queues.values():
            yield from queue
        for followers in self._followers.values():
            yield from followers

    def add(self, sequence: Sequence) -> None:
        """Let a new sequence wait behind those of its tenant, or for its leader."""
        key = id(sequence.request)
        leader = self._leaders.get(key)
        if leader is None or leader in self._unbegun:
            self._unbegun.add(sequence)
        if leader is not None:
            self._followers.setdefault(key, []).append(sequence)
            return
        if sequence.request.num_samples > 1:
            self._leaders[key] = sequence
        self._queue_of(sequence).push(sequence)

    def put_back(self, sequence: Sequence) -> None:
        """Let a preempted sequence wait before the others of its tenant."""
        self._queue_of(sequence).push_front(sequence)

    def next(self, priority: Priority) -> Sequence | None:
        """Whose turn it is; nobody's while a higher priority waits. It stays until `take`."""
        if any(self._queues[higher] for higher in Priority if higher < priority):
            return None
        return self._queues[priority].next()

    def take(self, sequence: Sequence) -> None:
        """Remove what `next` named: its request has begun."""
        self._queue_of(sequence).take(sequence)
        for each in (sequence, *self._followers.get(id(sequence.request), ())):
            self._unbegun.discard(each)
            each.num_before = None

    def has_begun(self, sequence: Sequence) -> bool:
        """Whether anything of its request has been computed, were it by its leader."""
        return sequence not in self._unbegun

    def note_places(self) -> None:
        """Note in each sequence that has not begun how many requests wait before its own.

        Those of a higher priority, and those sent earlier; whom a fair queue lets overtake is known
        only when it does. What is only scored is not counted: it belongs to what has begun.
        """
        num_before = 0
        for _, sequences in groupby(sorted(self._unbegun, key=_place), key=_place):
            first, *others = sequences
            for each in (first, *others):
                each.num_before = num_before
            num_before += first.request.score_from is None

    def deadline(self, sequence: Sequence) -> float:
        """When the first of a sequence's deadlines that still matter passes, waiting or taken."""
        limits = sequence.request.deadlines
        durations = [
            limits.total_s,
            None if sequence.output_ids else limits.first_token_s,
            None if self.has_begun(sequence) else limits.queue_s,
        ]
        shortest = min((limit for limit in durations if limit is not None), default=math.inf)
        return sequence.request.submitted_at + shortest

    def charge(self, sequence: Sequence, num_tokens: int) -> None:
        """Count tokens computed for a sequence's tenant; fewer than none gives some back."""
        self._queue_of(sequence).charge(sequence.request.tenant, num_tokens)

    def prompt_computed(self, sequence: Sequence) -> None:
        """Let those that follow a sequence wait for seats, first of their tenant."""
        key = id(sequence.request)
        if self._leaders.get(key) is sequence:
            del self._leaders[key]
            for follower in reversed(self._followers.pop(key, [])):
                self._queue_of(follower).push_front(follower)

    def forget(self, sequence: Sequence) -> None:
        """Take out a sequence that is gone, whether it waits here or was taken before."""
        key = id(sequence.request)
        if sequence in self._queue_of(sequence):
            self._queue_of(sequence).remove(sequence)
        elif sequence in self._followers.get(key, ()):
            self._followers[key].remove(sequence)
        self._unbegun.discard(sequence)
        if self._leaders.get(key) is sequence:
            self._replace_leader(key)

    def _replace_leader(self, key: int) -> None:
        del self._leaders[key]
        followers = self._followers.pop(key, [])
        if followers:
            leader, *rest = followers
            self._leaders[key] = leader
            self._followers[key] = rest
            self._queue_of(leader).push_front(leader)

    def _queue_of(self, sequence: Sequence) -> FairQueue:
        return self._queues[sequence.request.priority]


def _place(sequence: Sequence) -> tuple[int, float, int]:
    request = sequence.request
    return request.priority, request.submitted_at, id(request)
