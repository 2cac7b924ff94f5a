"""Fixtures of the ingestion tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion.workflow import IngestionQueue
from tests.unit.ingestion.house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """An empty data folder with everything that works on it."""
    house = House(tmp_path / "data")
    yield house
    house.close()


@pytest.fixture
def queue(house: House) -> Iterator[IngestionQueue]:
    """The side of the API."""
    queue = IngestionQueue(house.jobs_url)
    yield queue
    queue.close()
