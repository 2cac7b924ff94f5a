"""Services with both documents, shared by the tests that only read, and a browser to see them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.conftest import ModelFiles
from tests.e2e.browser import browsing, session_of, window
from tests.e2e.service import DOCUMENTS, Place, Service, free_port, serving


@pytest.fixture
def place(tmp_path: Path, model_files: ModelFiles) -> Place:
    """An empty data folder and a free port."""
    return Place(tmp_path / "data", model_files.root, free_port())


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, model_files: ModelFiles) -> Iterator[Service]:
    """A service that holds the English PDF and the Spanish page."""
    with _filled(tmp_path_factory.mktemp("library"), model_files) as service:
        yield service


@pytest.fixture(scope="session")
def shown_library(
    tmp_path_factory: pytest.TempPathFactory, model_files: ModelFiles
) -> Iterator[Service]:
    """The same, once for all tests that look at its pages; each leaves it as it was."""
    with _filled(tmp_path_factory.mktemp("shown"), model_files) as service:
        yield service


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser of the module's own."""
    with browsing() as started:
        yield started


@pytest.fixture(scope="module")
def session(browser: Browser, shown_library: Service) -> Any:
    """What a browser keeps of being signed in there."""
    return session_of(browser, shown_library)


@pytest.fixture
def page(browser: Browser, shown_library: Service, session: Any) -> Iterator[Page]:
    """A window of somebody who is signed in there."""
    with window(browser, storage_state=session, base_url=shown_library.base_url) as opened:
        yield opened


@contextmanager
def _filled(folder: Path, model_files: ModelFiles) -> Iterator[Service]:
    with serving(Place(folder / "data", model_files.root, free_port())) as service:
        for name in ("fastapi-alternatives.pdf", "sobre-https.md"):
            service.add(DOCUMENTS / name)
        yield service
