"""Fixtures of the ingestion tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.ingestion.house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """An empty data folder with everything that works on it."""
    house = House(tmp_path / "data")
    yield house
    house.close()
