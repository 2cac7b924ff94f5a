"""A service with two collections, and the official client of OpenAI before it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import OpenAI

from tests.unit.app.house import POOL, House


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[House]:
    """A service for tests that only ask."""
    house = House(shutil.copytree(migrated, tmp_path_factory.mktemp("openai") / "data"))
    for name in ("handbook", "rivers"):
        house.client.post("/v1/collections", json={"name": name})
    house.add("pool.txt", POOL, "handbook")
    house.add("rivers.txt", "The longest river of Spain is the Tagus.", "rivers")
    yield house
    house.close()


@pytest.fixture
def client(library: House) -> OpenAI:
    """OpenAI's client, unchanged; it only sends through the test's transport."""
    return client_of(library, library.key)


def client_of(house: House, key: str) -> OpenAI:
    """OpenAI's client with a key."""
    url = f"{house.services.settings.base_url}/v1"
    return OpenAI(base_url=url, api_key=key, http_client=house.new_client(), max_retries=0)
