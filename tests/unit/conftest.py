"""Fixtures of the fast tests."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import migrations
from core.blobs import FolderBlobStore
from core.database import Database
from tests.fakes import FakeEmbedder
from tests.library import Library


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that was migrated once, to be copied: migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("empty") / "test.db"
    database = Database(f"sqlite:///{path}")
    migrations.upgrade(database)
    database.close()
    return path


@pytest.fixture
def library(tmp_path: Path, empty_database: Path) -> Iterator[Library]:
    """An empty library over a migrated database."""
    database = Database(f"sqlite:///{shutil.copy(empty_database, tmp_path)}")
    blobs = FolderBlobStore(tmp_path / "blobs")
    yield Library(database, tmp_path / "segments", FakeEmbedder(), blobs)
    database.close()
