"""Queues as events: what waits for what, and for how long. Measures nothing and knows no service.

`serve` is c equal servers behind one queue; `batch` is an engine that writes many texts at once;
`count_hits` is a cache that forgets what was not asked for longest. All times are in seconds.
"""

import heapq
from collections import OrderedDict, deque
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def draw_arrivals(per_s: float, duration_s: float, rng: np.random.Generator) -> Floats:
    """When people who know nothing of each other come: a Poisson process."""
    number = rng.poisson(per_s * duration_s)
    return np.sort(rng.uniform(0, duration_s, number))


def serve(
    arrivals: Sequence[float] | Floats, work_s: Sequence[float] | Floats, *, servers: int
) -> Floats:
    """When each is done. Whoever comes first is served first, by the server that is free first."""
    free = [0.0] * servers
    done = np.empty(len(arrivals))
    for place, (arrival, work) in enumerate(zip(arrivals, work_s, strict=True)):
        ended = max(arrival, heapq.heappop(free)) + work
        heapq.heappush(free, ended)
        done[place] = ended
    return done


@dataclass(frozen=True, slots=True)
class Engine:
    """How fast an engine is.

    prefill_per_s: tokens of prompts. step_s: a step that writes one token of one text. row_share:
    what every further text adds to a step, as a share of it. slots: most texts at once.
    """

    prefill_per_s: float
    step_s: float
    row_share: float
    slots: int

    def step_of(self, num_texts: int) -> float:
        return self.step_s * (1 + self.row_share * (num_texts - 1))


@dataclass(frozen=True, slots=True)
class Wanted:
    """A text that is wanted: when, how much of its prompt is to be computed, how long it gets."""

    arrival: float
    prompt_tokens: int
    written_tokens: int


@dataclass(frozen=True, slots=True)
class Written:
    """When the first token and the last one were there."""

    first: float
    last: float


def batch(wanted: Sequence[Wanted], engine: Engine) -> list[Written]:
    """One engine, by arrival: a prompt is read between two steps, and then writes with the others.

    `wanted` comes in order of arrival.
    """
    waiting = deque(enumerate(wanted))
    left: dict[int, int] = {}  # tokens still to write, of the texts under way
    first: dict[int, float] = {}
    ended: list[Written | None] = [None] * len(wanted)
    now = 0.0
    while waiting or left:
        if not left:
            now = max(now, waiting[0][1].arrival)
        if waiting and waiting[0][1].arrival <= now and len(left) < engine.slots:
            place, text = waiting.popleft()
            now += text.prompt_tokens / engine.prefill_per_s
            left[place] = text.written_tokens
        now += engine.step_of(len(left))
        for place in list(left):
            first.setdefault(place, now)
            left[place] -= 1
            if left[place] <= 0:
                del left[place]
                ended[place] = Written(first[place], now)
    return [each for each in ended if each is not None]


def count_hits(keys: Iterable[Hashable], *, capacity: int) -> int:
    """How many of the keys a cache of so many holds when they are asked for."""
    kept: OrderedDict[Hashable, None] = OrderedDict()
    num_hits = 0
    for key in keys:
        if key in kept:
            num_hits += 1
            kept.move_to_end(key)
            continue
        kept[key] = None
        if len(kept) > capacity:
            kept.popitem(last=False)
    return num_hits


def draw_zipf(
    number: int, *, kinds: int, exponent: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """What many ask often and few ask at all: rank r as often as r ** -exponent."""
    weights = np.arange(1, kinds + 1, dtype=np.float64) ** -exponent
    return rng.choice(kinds, size=number, p=weights / weights.sum())
