"""Limits that several processes count together: in one file, as the memory of one would."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage, Storage
from limits.strategies import MovingWindowRateLimiter

from app.people.errors import RateLimitedError
from app.people.shared_windows import SharedWindows
from app.people.throttle import Throttle

FIVE = RateLimitItemPerMinute(5)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[SharedWindows, SharedWindows]]:
    """Two processes that share a folder."""
    with closing(SharedWindows(tmp_path)) as one, closing(SharedWindows(tmp_path)) as other:
        yield one, other


def test_what_one_process_counts_the_other_knows(
    pair: tuple[SharedWindows, SharedWindows],
) -> None:
    one, other = map(Throttle, pair)
    for _ in range(3):
        one.count_request("key:a", 6)
        other.count_request("key:a", 6)
    for throttle in (one, other):
        with pytest.raises(RateLimitedError, match="6 requests a minute") as refused:
            throttle.count_request("key:a", 6)
        assert 0 < refused.value.retry_after_s <= 60
        throttle.count_request("key:b", 6)


def test_wrong_passwords_are_counted_together(pair: tuple[SharedWindows, SharedWindows]) -> None:
    one, other = map(Throttle, pair)
    for _ in range(5):
        one.count_failure("ada", "192.0.2.1")
        other.count_failure("ada", "192.0.2.1")
    for throttle in (one, other):
        with pytest.raises(RateLimitedError):
            throttle.refuse_after_failures("ada", "192.0.2.1")
        throttle.refuse_after_failures("ada", "192.0.2.2")


def test_a_file_counts_as_memory_does(pair: tuple[SharedWindows, SharedWindows]) -> None:
    told = [play(storage) for storage in (MemoryStorage(), pair[0])]
    assert told[0] == told[1]


def play(storage: Storage) -> list[object]:
    """What a limiter says over and over, without what depends on the clock."""
    limiter = MovingWindowRateLimiter(storage)
    told: list[object] = []
    for cost in (1, 3, 2, 1, 1, 6):
        told += [limiter.test(FIVE, "a"), limiter.hit(FIVE, "a", cost=cost)]
        told += [limiter.get_window_stats(FIVE, "a").remaining, limiter.test(FIVE, "b")]
    return told


def test_what_is_over_is_forgotten(tmp_path: Path) -> None:
    moment = 1000.0
    with closing(SharedWindows(tmp_path, clock=lambda: moment)) as windows:
        assert all(windows.acquire_entry("a", 2, 60) for _ in range(2))
        assert not windows.acquire_entry("a", 2, 60)
        moment = 1061.0
        assert windows.acquire_entry("a", 2, 60)
        assert windows.get_moving_window("a", 2, 60) == (1061.0, 1)


def test_it_can_be_cleared(pair: tuple[SharedWindows, SharedWindows]) -> None:
    one, other = pair
    assert one.check()
    assert one.incr("a", 60, amount=2) == 2
    assert other.incr("b", 60) == 1
    assert other.get("a") == 2
    one.clear("a")
    assert (other.get("a"), other.get("b")) == (0, 1)
    assert other.get_expiry("b") > one.get_expiry("a")
    assert one.reset() == 1
    assert other.get("b") == 0
