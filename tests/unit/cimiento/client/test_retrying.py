"""When trying again can help, when it would do something twice, and how long to wait."""

import httpx2
import pytest

from cimiento.client.errors import ApiError, RateLimitedError, ServerError, UnreachableError
from cimiento.client.retrying import Retries

BROKEN = httpx2.ReadError("the connection broke")
UNREACHED = httpx2.ConnectError("nobody listens")


def refused(status: int, retry_after: str | None = None) -> ApiError:
    """A refusal with this status."""
    headers = {} if retry_after is None else {"retry-after": retry_after}
    kind = RateLimitedError if status == 429 else ServerError
    return kind({"code": "rate_limited"}, status, headers=headers)


@pytest.mark.parametrize("status", [429, 503])
def test_what_was_not_begun_is_sent_again(status: int) -> None:
    assert Retries(3).pause_s(refused(status), is_safe=False) > 0


def test_retry_after_is_heeded() -> None:
    assert Retries(3).pause_s(refused(429, "7"), is_safe=False) == 7


@pytest.mark.parametrize("header", ["soon", "-1", "nan", "inf"])
def test_a_retry_after_that_is_no_time_is_not(header: str) -> None:
    assert 0 < Retries(3).pause_s(refused(429, header), is_safe=False) < 1


def test_whoever_must_wait_until_tomorrow_is_told() -> None:
    with pytest.raises(RateLimitedError) as told:
        Retries(3).pause_s(refused(429, "40000"), is_safe=True)
    assert told.value.retry_after_s == 40000


def test_what_may_have_been_done_is_sent_again_only_where_that_does_no_harm() -> None:
    for error in (refused(500), BROKEN):
        assert Retries(3).pause_s(error, is_safe=True) > 0
        with pytest.raises((ServerError, UnreachableError)):
            Retries(3).pause_s(error, is_safe=False)


def test_without_a_connection_nothing_was_sent() -> None:
    assert Retries(3).pause_s(UNREACHED, is_safe=False) > 0


def test_pauses_grow_to_a_limit_and_end() -> None:
    retries = Retries(7)
    pauses = [retries.pause_s(UNREACHED, is_safe=True) for _ in range(7)]
    # the rest are at the limit
    assert all(0.25 * 2**index <= pause <= 0.5 * 2**index for index, pause in enumerate(pauses[:5]))
    assert max(pauses) <= 8
    with pytest.raises(UnreachableError, match="nobody listens") as told:
        retries.pause_s(UNREACHED, is_safe=True)
    assert told.value.__cause__ is UNREACHED


def test_after_a_success_the_next_failure_is_the_first() -> None:
    retries = Retries(1)
    retries.pause_s(UNREACHED, is_safe=True)
    retries.succeed()
    assert retries.pause_s(UNREACHED, is_safe=True) <= 0.5
