"""Several generation workers as one, over real sockets, each behind a proxy that fails."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from core.settings import GenerationSettings
from generation.errors import (
    GenerationFailedError,
    GeneratorBusyError,
    GeneratorUnavailableError,
    QuestionTooLongError,
)
from generation.pool import GeneratorPool
from generation.remote import RemoteGenerator, Timeouts
from generation.roster import Roster, prefix_of
from generation.types import Message, Sampling
from tests.fakes_engine import FakeEngine
from tests.proxy import Proxy
from tests.unit.generation.worker_house import House, eventually

HI = [Message("user", "Hi")]
TEXT = "Hello, world!"


def never() -> bool:
    """A caller that stays."""
    return False


@dataclass
class Fleet:
    """Workers, the network to each, and the pool of them."""

    houses: list[House]
    proxies: list[Proxy]
    pool: GeneratorPool

    def text(self, messages: list[Message] = HI, *, adapter: str = "", **options: Any) -> str:
        """A whole text."""
        sampling = Sampling(adapter=adapter)
        return "".join(self.pool.stream(messages, sampling, cancelled=never, **options))

    def asked(self) -> list[int]:
        """How many texts each worker was asked for."""
        return [len(house.engine.requests) for house in self.houses]

    def favourite_of(self, messages: list[Message]) -> int:
        """Who is asked first; leaves nobody with work."""
        chosen = self.pool.roster.choose(prefix_of(messages))
        assert chosen is not None
        self.pool.roster.release(chosen)
        return self.pool.roster.members.index(chosen)

    def are_in(self) -> list[int]:
        """Which workers get work."""
        members = self.pool.roster.members
        return [number for number, member in enumerate(members) if member.serves is not None]

    def wait_until_in(self, *wanted: int) -> None:
        """Wait until exactly these get work."""
        assert eventually(lambda: self.are_in() == list(wanted)), self.pool.roster.members


@contextmanager
def fleet(*houses: House, model: str = "fake-model", **options: Any) -> Iterator[Fleet]:
    """These workers behind a pool."""
    with ExitStack() as stack:
        ports = [httpx2.URL(stack.enter_context(house.running())).port for house in houses]
        proxies = [stack.enter_context(Proxy(port or 0)) for port in ports]
        generators = [
            RemoteGenerator(proxy.url, model, timeouts=Timeouts(0.5, 60.0)) for proxy in proxies
        ]
        quick = {"wait_s": 60.0, "lost_after_s": 0.5, "check_every_s": 0.05}
        pool = stack.enter_context(closing(GeneratorPool(generators, **(quick | options))))
        yield Fleet(list(houses), proxies, pool)


def pair(**engine: Any) -> tuple[House, House]:
    """Two workers alike."""
    first, second = (House(FakeEngine(TEXT, **engine)).started() for _ in range(2))
    return first, second


@contextmanager
def two(**engine: Any) -> Iterator[Fleet]:
    """Two workers alike, both of which get work."""
    with fleet(*pair(**engine)) as each:
        each.pool.load()
        each.wait_until_in(0, 1)
        yield each


def prompt(number: int) -> list[Message]:
    """One of many prompts that do not begin alike."""
    return [Message("system", "Answer."), Message("user", f"[{number}] A passage.\n\nWhy?")]


def in_background(work: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    """Run it; what comes of it, or the error, ends up in the list."""
    ended: list[object] = []

    def run() -> None:
        try:
            ended.append(work())
        except GeneratorUnavailableError as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, ended


def test_prompts_that_begin_alike_go_to_one_worker_and_others_spread() -> None:
    with two() as each:
        where = set()
        for question in ("Why?", "When?", "Who?"):
            passage = "A passage that is long. " * 40
            where.add(each.favourite_of([Message("user", f"{passage}\n\n{question}")]))
        assert len(where) == 1
        assert {each.favourite_of(prompt(number)) for number in range(30)} == {0, 1}


def test_a_worker_that_goes_moves_only_its_own_prompts() -> None:
    generators = [RemoteGenerator(f"http://w{number}", "m") for number in range(3)]
    rosters = [
        Roster(some, lost_after_s=1, check_every_s=1) for some in (generators, generators[:2])
    ]
    for roster in rosters:
        for member in roster.members:
            member.serves = object()  # type: ignore[assignment] # only whether it is there counts
    moved = stayed = 0
    for number in range(60):
        before, after = (roster.choose(prefix_of(prompt(number))) for roster in rosters)
        assert before is not None
        assert after is not None
        for roster, member in zip(rosters, (before, after), strict=True):
            roster.release(member)
        if before.url == "http://w2":
            moved += 1
        else:
            stayed += before.url == after.url
    assert moved > 0
    assert moved + stayed == 60


def test_a_busy_worker_is_passed_over() -> None:
    with two(pause_s=0.005) as each:
        for house in each.houses:
            house.engine.reply = "x" * 10_000
        streams = [each.pool.stream(HI, Sampling(max_tokens=10_000), cancelled=never)]
        favourite = each.favourite_of(HI)
        for _ in range(5):
            next(streams[-1])
            streams.append(each.pool.stream(HI, Sampling(max_tokens=10_000), cancelled=never))
        next(streams[-1])
        assert sorted(each.asked()) == [2, 4]
        assert each.asked()[favourite] == 4
        for stream in streams:
            stream.close()
        assert [member.num_under_way for member in each.pool.roster.members] == [0, 0]


def test_a_worker_that_stands_still_holds_up_two_questions_and_no_more() -> None:
    with two() as each:
        slow = each.favourite_of(HI)
        each.houses[slow].engine.hangs = True
        waiting = [in_background(each.text), in_background(each.text)]
        assert eventually(lambda: each.asked()[slow] == 2)
        assert [each.text() for _ in range(6)] == [TEXT] * 6
        each.houses[slow].engine.hangs = False
        for thread, ended in waiting:
            thread.join(60)
            assert ended == [TEXT]


def test_a_worker_that_is_gone_before_the_first_token_is_made_good_by_another() -> None:
    with two() as each:
        first = each.favourite_of(HI)
        each.houses[first].engine.hangs = True
        thread, ended = in_background(each.text)
        assert eventually(lambda: each.asked()[first] == 1)
        each.proxies[first].refuse()
        thread.join(60)
        assert ended == [TEXT]
        assert each.asked()[1 - first] == 1
        each.wait_until_in(1 - first)


def test_a_worker_that_is_killed_mid_stream_is_told_and_never_replaced() -> None:
    with two(pause_s=0.01) as each:
        first = each.favourite_of(HI)
        each.houses[first].engine.reply = "x" * 4000
        stream = each.pool.stream(HI, Sampling(max_tokens=4000), cancelled=never)
        next(stream)
        each.proxies[first].refuse()
        with pytest.raises(GeneratorUnavailableError, match=r"broke off after \d+ characters"):
            list(stream)
        assert each.asked()[1 - first] == 0
        # the next question goes to the other, and the first comes back
        assert each.text() == TEXT
        each.proxies[first].restore()
        each.wait_until_in(0, 1)


def test_a_network_cut_is_noticed_though_nobody_says_so() -> None:
    with two(pause_s=0.01) as each:
        first = each.favourite_of(HI)
        for house in each.houses:
            house.engine.reply = "x" * 4000
        begun = each.pool.stream(HI, Sampling(max_tokens=4000), cancelled=never)
        next(begun)
        each.houses[first].engine.hangs = True
        waiting, ended = in_background(
            lambda: "".join(each.pool.stream(HI, Sampling(max_tokens=5), cancelled=never))
        )
        assert eventually(lambda: each.asked()[first] == 2)
        each.proxies[first].cut()
        waiting.join(60)
        assert ended == ["xxxxx"]
        with pytest.raises(GeneratorUnavailableError, match="broke off"):
            list(begun)
        each.proxies[first].restore()
        each.wait_until_in(0, 1)


def test_scores_and_counts_survive_a_network_cut() -> None:
    with two() as each:
        each.proxies[each.favourite_of(HI)].cut()
        assert each.pool.score(HI, ["ab"]) == [-2.0]
        assert each.pool.count_tokens(HI) > 0
        assert len(each.pool.sample(HI, Sampling(n=2), cancelled=never)) == 2


def test_questions_wait_while_all_are_gone_and_go_on_when_one_is_back() -> None:
    with fleet(*pair()) as each:
        each.pool.load()
        for proxy in each.proxies:
            proxy.refuse()
        each.wait_until_in()
        thread, ended = in_background(each.text)
        each.proxies[1].restore()
        thread.join(60)
        assert ended == [TEXT]
        assert each.asked() == [0, 1]
        # what was known of the model is known while nobody is there
        assert each.pool.max_context == 4096


def test_where_nobody_comes_back_in_time_each_worker_is_named() -> None:
    with fleet(*pair(), wait_s=0.2) as each:
        for proxy in each.proxies:
            proxy.refuse()
        with pytest.raises(GeneratorUnavailableError) as caught:
            each.text()
        assert all(proxy.url in str(caught.value) for proxy in each.proxies)
        assert "cimiento worker generate" in str(caught.value)


def test_a_caller_that_leaves_while_nobody_is_there_is_let_go() -> None:
    with fleet(*pair()) as each:
        for proxy in each.proxies:
            proxy.refuse()
        gone = threading.Event()
        threading.Timer(0.1, gone.set).start()
        assert list(each.pool.stream(HI, Sampling(), cancelled=gone.is_set)) == []
        assert each.pool.sample(HI, Sampling(), cancelled=gone.is_set) == []


def test_full_workers_are_asked_again_then_given_up() -> None:
    with fleet(*pair(max_waiting=0), wait_s=2.0) as each:
        each.pool.load()
        with pytest.raises(GeneratorBusyError) as caught:
            each.text()
        assert caught.value.retry_after_s is not None
        assert each.pool.roster.model is not None  # full is not ill


def test_where_one_is_full_the_other_is_asked() -> None:
    with two() as each:
        full = each.favourite_of(HI)
        each.houses[full].engine.max_waiting = 0
        assert [each.text(), each.text()] == [TEXT, TEXT]
        assert each.asked()[full] == 0


def test_a_question_that_is_at_fault_is_asked_once() -> None:
    with fleet(*pair(max_context=16)) as each:
        with pytest.raises(QuestionTooLongError):
            each.text()
        for house in each.houses:
            house.engine.max_context = 4096
            house.engine.error = "out of memory"
        with pytest.raises(GenerationFailedError):
            each.text()
        assert sum(each.asked()) == 1


def test_one_choice_needs_no_worker() -> None:
    with fleet(*pair(), wait_s=0) as each:
        for proxy in each.proxies:
            proxy.refuse()
        assert each.text(choices=["the quote"]) == "the quote"


def test_a_worker_with_other_weights_gets_no_work_beside_the_first() -> None:
    houses = pair()
    with fleet(*houses) as each:
        each.proxies[1].refuse()
        each.pool.load()
        houses[1].served.model_sha256 = "e" * 64
        each.proxies[1].restore()
        other = each.pool.roster.members[1]
        assert eventually(lambda: "other weights" in other.reason)
        assert other.serves is None
        # with the first gone it is what there is
        each.proxies[0].refuse()
        each.wait_until_in(1)
        assert each.pool.model_sha256 == "e" * 64


def test_loading_waits_for_a_worker_that_loads() -> None:
    house = House(FakeEngine())
    house.served.may_load.clear()
    house.worker.start()
    with fleet(house) as each:
        loading, _ = in_background(each.pool.load)
        member = each.pool.roster.members[0]
        assert eventually(lambda: "loading" in member.reason)
        assert loading.is_alive()
        house.served.may_load.set()
        loading.join(60)
        assert each.are_in() == [0]


def test_a_worker_that_drains_ends_what_it_has_and_gets_nothing_new() -> None:
    with two(pause_s=0.01) as each:
        first = each.favourite_of(HI)
        stream = each.pool.stream(HI, Sampling(), cancelled=never)
        begun = next(stream)
        each.houses[first].worker.drain()
        assert each.text() == TEXT
        assert each.asked()[1 - first] == 1
        assert begun + "".join(stream) == TEXT


def test_after_a_deletion_no_worker_finds_what_was_computed() -> None:
    with two() as each:
        tenants = set()
        # so many that none of the workers, whose addresses are new each time, gets none of them
        for number in range(32):
            each.text(prompt(number))
        for house in each.houses:
            tenants |= {request.tenant for request in house.engine.requests}
        assert tenants == {""}
        each.pool.forget_prefixes()
        for number in range(32):
            each.text(prompt(number))
        assert all(house.engine.requests[-1].tenant for house in each.houses)


def test_settings_name_every_worker_once() -> None:
    settings = GenerationSettings(url="http://a:1/v1 , http://b:2,http://a:1/v1/")
    with closing(GeneratorPool.of(settings, model="m")) as pool:
        assert [member.url for member in pool.roster.members] == ["http://a:1", "http://b:2"]
    with pytest.raises(ValueError, match="url"):
        GenerationSettings(url="http://a:1,b:2")
