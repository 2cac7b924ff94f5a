"""Simulated queues give what theory says of queues that theory can solve."""

import math

import numpy as np
import pytest

from benchmarks.queueing import (
    Engine,
    Wanted,
    batch,
    count_hits,
    draw_arrivals,
    draw_zipf,
    serve,
)


def erlang_wait(per_s: float, work_s: float, servers: int) -> float:
    """Mean wait of M/M/c, by Erlang's formula."""
    load = per_s * work_s
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    others = sum(load**k / math.factorial(k) for k in range(servers))
    return last / (others + last) / (servers / work_s - per_s)


@pytest.mark.parametrize(("per_s", "servers"), [(0.5, 1), (3.4, 4), (9.0, 12)])
def test_waits_are_those_of_erlang(per_s: float, servers: int) -> None:
    rng = np.random.default_rng(3)
    arrivals = draw_arrivals(per_s, 100_000, rng)
    work = rng.exponential(1.0, len(arrivals))
    waits = serve(arrivals, work, servers=servers) - work - arrivals
    assert waits.min() >= -1e-6
    assert waits.mean() == pytest.approx(erlang_wait(per_s, 1.0, servers), rel=0.1)


def test_texts_write_together_and_prompts_hold_up_what_is_written() -> None:
    engine = Engine(prefill_per_s=100, step_s=0.1, row_share=0.5, slots=2)
    wanted = [Wanted(1.0, 100, 3), Wanted(1.0, 50, 1), Wanted(1.0, 0, 1)]
    # 1.0 s of prompt and a step; then half a second of prompt and a step of two; then another
    ends = [(each.first, each.last) for each in batch(wanted, engine)]
    assert ends == [pytest.approx(end) for end in ((2.1, 2.9), (2.75, 2.75), (2.9, 2.9))]


def test_an_engine_that_is_full_lets_others_wait_and_an_idle_one_begins_at_once() -> None:
    engine = Engine(prefill_per_s=100, step_s=0.1, row_share=0.0, slots=1)
    wanted = [Wanted(0.0, 10, 2), Wanted(0.0, 10, 1), Wanted(9.0, 10, 1)]
    lasts = [each.last for each in batch(wanted, engine)]
    assert lasts == pytest.approx([0.3, 0.5, 9.2])


def test_a_cache_forgets_what_was_not_asked_for_longest() -> None:
    assert count_hits("abab", capacity=2) == 2
    assert count_hits("abcabc", capacity=2) == 0
    assert count_hits("abaca", capacity=2) == 2
    assert count_hits("", capacity=2) == 0


def test_what_many_ask_is_drawn_often() -> None:
    drawn = draw_zipf(20_000, kinds=100, exponent=1.0, rng=np.random.default_rng(1))
    counts = np.bincount(drawn, minlength=100)
    assert counts[0] == pytest.approx(2 * counts[1], rel=0.1)
    assert counts[0] == pytest.approx(10 * counts[9], rel=0.2)
