"""A whole service in one folder: the real rooms, with fake models, driven without a network."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.unit.app.house import POOL, House
from tests.unit.app.webhook_receiver import Receiver, listening


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose databases are migrated: copying it is faster than migrating again."""
    data_dir = tmp_path_factory.mktemp("migrated") / "data"
    House(data_dir).close()
    return data_dir


@pytest.fixture
def house(tmp_path: Path, migrated: Path) -> Iterator[House]:
    """An empty service."""
    house = House(shutil.copytree(migrated, tmp_path / "data"))
    yield house
    house.close()


@pytest.fixture
def pool(house: House) -> House:
    """A service whose one document is about a swimming pool."""
    house.add("pool.txt", POOL)
    return house


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A service that webhooks may tell."""
    with listening() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def still_house(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[House]:
    """An empty service for tests that change nothing."""
    house = House(shutil.copytree(migrated, tmp_path_factory.mktemp("still") / "data"))
    yield house
    house.close()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """No log lines: with a traceback they would hold every local of the whole service."""
    structlog.configure(processors=[_drop])
    yield
    structlog.reset_defaults()


def _drop(_logger: object, _method: str, _event: structlog.typing.EventDict) -> str:
    raise structlog.DropEvent
