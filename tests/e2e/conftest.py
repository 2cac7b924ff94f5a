"""A service with both documents, shared by the tests that only read."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ModelFiles
from tests.e2e.service import DOCUMENTS, Place, Service, free_port, serving


@pytest.fixture
def place(tmp_path: Path, model_files: ModelFiles) -> Place:
    """An empty data folder and a free port."""
    return Place(tmp_path / "data", model_files.root, free_port())


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, model_files: ModelFiles) -> Iterator[Service]:
    """A service that holds the English PDF and the Spanish page."""
    place = Place(tmp_path_factory.mktemp("library") / "data", model_files.root, free_port())
    with serving(place) as service:
        for name in ("fastapi-alternatives.pdf", "sobre-https.md"):
            service.add(DOCUMENTS / name)
        yield service
