"""Fixtures of the ingestion tests."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.ingestion.house import House


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that was migrated once, to be copied: migrating takes longer than most tests."""
    folder = tmp_path_factory.mktemp("migrated") / "data"
    House(folder).close()
    return folder


@pytest.fixture
def house(tmp_path: Path, migrated: Path) -> Iterator[House]:
    """An empty data folder with everything that works on it."""
    house = House(shutil.copytree(migrated, tmp_path / "data"))
    yield house
    house.close()
