"""The client before a whole service with fake models, and before one that breaks connections."""

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from cimiento.client import AsyncClient, Client
from tests.unit.app.conftest import migrated as migrated
from tests.unit.app.house import POOL, House

QUESTION = "When does the swimming pool open in the morning?"


class Cut(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body that breaks off after what was sent of it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        yield self._body
        raise httpx2.ReadError("the connection broke")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self:
            yield part


Handler = Callable[[httpx2.Request], httpx2.Response]


@pytest.fixture
def house(tmp_path: Path, migrated: Path) -> Iterator[House]:
    """A service whose one document is about a swimming pool."""
    house = House(shutil.copytree(migrated, tmp_path / "data"))
    house.add("pool.txt", POOL)
    yield house
    house.close()


@pytest.fixture
def client(house: House) -> Client:
    """The client with a key."""
    return Client(house.services.settings.base_url, house.key, http=house.new_client())


@pytest.fixture
def async_client(house: House) -> AsyncClient:
    """The client that awaits, with a key."""
    http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=house.app))
    return AsyncClient(house.services.settings.base_url, house.key, http=http)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that nobody has to wait for."""
    monkeypatch.setattr("cimiento.client.retrying._FIRST_PAUSE_S", 0.0)


def client_of(handler: Handler, **options: int) -> Client:
    """The client before a server that does what `handler` says."""
    http = httpx2.Client(transport=httpx2.MockTransport(handler))
    return Client("http://docs.example", "cim_key", http=http, **options)
