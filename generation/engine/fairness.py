"""Whose turn it is among tenants: start-time fair queueing by tokens served. Knows no pages.

Goyal, Vin and Cheng 1996. Every tenant has a clock that runs ahead by each token computed for it;
the tenant whose clock is furthest behind is next. One that comes after a pause starts at the clock
of the last one chosen: it saved up nothing, and is overtaken by nobody who was served since. So a
tenant with a hundred waiting requests delays another's single one by about one request.
"""

from collections import deque
from collections.abc import Iterator

from generation.engine.sequence import Sequence


class FairQueue:
    """Waiting sequences of one priority; each tenant's own are first come, first served."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[Sequence]] = {}  # no empty ones
        self._clocks: dict[str, int] = {}  # only those ahead of `_now`
        self._now = 0  # the clock of the last tenant chosen

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def __iter__(self) -> Iterator[Sequence]:
        for queue in self._queues.values():
            yield from queue

    def push(self, sequence: Sequence) -> None:
        self._queues.setdefault(sequence.request.tenant, deque()).append(sequence)

    def push_front(self, sequence: Sequence) -> None:
        """Put a sequence before the others of its tenant."""
        self._queues.setdefault(sequence.request.tenant, deque()).appendleft(sequence)

    def next(self) -> Sequence | None:
        """Whose turn it is, the earlier request's where clocks agree. It stays until `take`."""
        heads = (queue[0] for queue in self._queues.values())
        return min(heads, key=self._turn, default=None)

    def take(self, sequence: Sequence) -> None:
        """Remove what `next` named, because its turn has come."""
        self._now = self._clock(sequence.request.tenant)
        self.remove(sequence)
        self._clocks = {name: clock for name, clock in self._clocks.items() if clock > self._now}

    def remove(self, sequence: Sequence) -> None:
        """Remove a sequence that waits here, wherever it stands."""
        tenant = sequence.request.tenant
        self._queues[tenant].remove(sequence)
        if not self._queues[tenant]:
            del self._queues[tenant]

    def charge(self, tenant: str, num_tokens: int) -> None:
        """Count tokens computed for a tenant; fewer than none gives some back."""
        self._clocks[tenant] = self._clock(tenant) + num_tokens

    def _turn(self, sequence: Sequence) -> tuple[int, float]:
        return self._clock(sequence.request.tenant), sequence.request.submitted_at

    def _clock(self, tenant: str) -> int:
        return max(self._now, self._clocks.get(tenant, 0))
