"""Fixtures of the fast tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import migrations
from core.blobs import FolderBlobStore
from core.database import Database
from tests.fakes import FakeEmbedder
from tests.library import Library


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """An empty library over a migrated database."""
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    migrations.upgrade(database)
    blobs = FolderBlobStore(tmp_path / "blobs")
    yield Library(database, tmp_path / "segments", FakeEmbedder(), blobs)
    database.close()
