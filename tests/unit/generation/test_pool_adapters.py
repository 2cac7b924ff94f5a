"""Generation workers of which not all have an adapter: those that lack it are passed over."""

import time

import pytest

from generation.errors import AdapterMissingError
from generation.remote import RemoteGenerator
from generation.roster import Roster
from generation.types import Sampling
from tests.unit.generation.test_pool import HI, TEXT, never, prompt, two

ADAPTER = "a" * 64


def test_a_worker_without_the_adapter_is_asked_once_and_then_passed_over() -> None:
    with two() as each:
        each.houses[1].engine.adapters.add(ADAPTER)
        texts = {each.text(prompt(number), adapter=ADAPTER) for number in range(4)}
        assert texts == {TEXT}
        assert each.asked()[0] == 0
        served = [request.adapter for request in each.houses[1].engine.requests]
        assert [adapter and adapter.sha256 for adapter in served] == [ADAPTER] * 4


def test_where_no_worker_has_the_adapter_that_is_told_at_once() -> None:
    with two() as each:
        for _ in range(2):
            with pytest.raises(AdapterMissingError, match="adapter aaaaaaaaaaaa"):
                each.text(adapter=ADAPTER)
        with pytest.raises(AdapterMissingError):
            each.pool.score(HI, ["a"], adapter=ADAPTER)
        with pytest.raises(AdapterMissingError):
            each.pool.sample(HI, Sampling(n=2, adapter=ADAPTER), cancelled=never)
        assert each.text() == TEXT


def test_what_a_worker_lacks_is_asked_for_again_after_a_while() -> None:
    roster = Roster([RemoteGenerator("http://w", "m")], lost_after_s=1, check_every_s=1)
    (member,) = roster.members
    member.serves = object()  # type: ignore[assignment] # only whether it is there counts
    roster.note_lack(member, ADAPTER)
    assert roster.choose(b"key", ADAPTER) is None
    assert roster.all_lack(ADAPTER)
    member.lacks[ADAPTER] = time.monotonic()
    assert roster.choose(b"key", ADAPTER) is member
