"""An address that stands for a fleet: its workers are asked themselves, and come and go."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

from generation.pool import GeneratorPool
from generation.remote import RemoteGenerator, Timeouts
from generation.types import Message, Sampling
from generation.worker.routes import FLEET
from tests.fakes_engine import FakeEngine
from tests.unit.generation.worker_house import House, eventually

HI = [Message("user", "Hi")]
KEY = "sesame"


@dataclass
class Fleet:
    """A door that names workers, the workers, and the pool that knows the door alone."""

    door: House
    pool: GeneratorPool
    named: list[str]
    running: dict[str, House] = field(default_factory=dict)
    stops: dict[str, Callable[[], object]] = field(default_factory=dict)

    def start(self, *, named: bool = True) -> str:
        """One more worker; its address."""
        house = House(FakeEngine("Hello!"), api_key=KEY).started()
        stack = ExitStack()
        url = stack.enter_context(house.running())
        self.running[url], self.stops[url] = house, stack.close
        if named:
            self.named.append(url)
        return url

    def known(self) -> set[str]:
        """Every worker that the pool watches."""
        return {member.url for member in self.pool.roster.members if member.is_found}

    def serving(self) -> set[str]:
        """Every address that gets work."""
        return {member.url for member in self.pool.roster.members if member.serves}

    def text(self, messages: list[Message] = HI) -> str:
        """A whole text."""
        return "".join(self.pool.stream(messages, Sampling(), cancelled=lambda: False))


@contextmanager
def fleet() -> Iterator[Fleet]:
    """A door, and no worker yet beside the one that answers at the door."""
    door = House(FakeEngine("From the door"), api_key=KEY).started()
    named: list[str] = []
    door.app = naming(door.app, named)  # type: ignore[assignment] # any application will do
    with ExitStack() as stack:
        url = stack.enter_context(door.running())
        generator = RemoteGenerator(url, "fake-model", api_key=KEY, timeouts=Timeouts(5.0, 60.0))
        pool = GeneratorPool([generator], wait_s=60.0, lost_after_s=0.5, check_every_s=0.05)
        each = Fleet(door, stack.enter_context(closing(pool)), named)
        stack.callback(lambda: [stop() for stop in each.stops.values()])
        yield each


def naming(app: ASGIApp, named: list[str]) -> ASGIApp:
    """The application at an address that stands for these workers."""

    async def at_the_door(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, FLEET: tuple(named)}, receive, send)

    return at_the_door


def test_the_workers_of_a_fleet_are_asked_and_its_address_is_not() -> None:
    with fleet() as each:
        urls = {each.start(), each.start()}
        each.pool.load()
        assert eventually(lambda: each.serving() == urls)
        for number in range(12):
            assert each.text([Message("user", f"{number}")]) == "Hello!"
        assert all(house.engine.requests for house in each.running.values())
        assert not each.door.engine.requests


def test_a_worker_that_is_new_to_the_fleet_gets_work() -> None:
    with fleet() as each:
        first = each.start()
        each.pool.load()
        second = each.start()
        assert eventually(lambda: each.serving() == {first, second})


def test_a_worker_that_drains_and_leaves_is_forgotten_after_its_last_text() -> None:
    with fleet() as each:
        leaving = each.start()
        each.pool.load()
        house = each.running[leaving]
        house.engine.pause_s = 0.02
        stream = each.pool.stream(HI, Sampling(), cancelled=lambda: False)
        begun = next(stream)
        staying = each.start()
        assert eventually(lambda: each.serving() == {leaving, staying})
        each.named.remove(leaving)
        house.worker.drain()
        assert eventually(lambda: each.serving() == {staying})
        assert begun + "".join(stream) == "Hello!"
        assert eventually(lambda: each.known() == {staying})
        assert each.text() == "Hello!"


def test_while_the_list_is_away_the_workers_go_on() -> None:
    with fleet() as each:
        url = each.start()
        each.pool.load()
        assert eventually(lambda: each.serving() == {url})
        # begun anew, the list is empty but for who has reported already
        each.named[:] = [each.start(named=False)]
        assert eventually(lambda: len(each.serving()) == 2)
        each.door.worker.drain()
        assert eventually(lambda: "shutting down" in each.pool.roster.members[0].reason)
        assert each.text() == "Hello!"
        assert url in each.serving()


def test_a_worker_that_comes_back_is_taken_in_again() -> None:
    with fleet() as each:
        gone, other = each.start(), each.start()
        each.pool.load()
        assert eventually(lambda: each.serving() == {gone, other})
        each.stops.pop(gone)()
        each.named.remove(gone)
        assert eventually(lambda: each.known() == {other})
        # the address that it had may be another worker's, as long as somebody names it
        each.named.append(each.start(named=False))
        assert eventually(lambda: len(each.serving()) == 2)


def test_what_was_forgotten_is_not_found_by_workers_that_come_later() -> None:
    with fleet() as each:
        each.start()
        each.pool.load()
        each.pool.forget_prefixes()
        late = each.start()
        assert eventually(lambda: late in each.serving())
        for number in range(12):
            each.text([Message("user", f"{number}")])
        tenants = {request.tenant for request in each.running[late].engine.requests}
        assert tenants
        assert "" not in tenants
