"""Fixtures of the fast tests."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import migrations
from core.blobs import FolderBlobStore
from core.database import Database
from tests.databases import is_postgresql, url_of
from tests.fakes import FakeEmbedder
from tests.library import Library


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that was migrated once, to be copied: migrating takes longer than most tests."""
    folder = tmp_path_factory.mktemp("empty") / "data"
    database = Database(url_of(folder))
    migrations.upgrade(database)
    database.close()
    return folder


@pytest.fixture
def library(tmp_path: Path, empty_database: Path) -> Iterator[Library]:
    """An empty library over a migrated database."""
    if not is_postgresql():
        shutil.copytree(empty_database, tmp_path, dirs_exist_ok=True)
    database = Database(url_of(tmp_path))
    blobs = FolderBlobStore(tmp_path / "blobs")
    yield Library(database, tmp_path / "segments", FakeEmbedder(), blobs)
    database.close()
