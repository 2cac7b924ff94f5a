"""A service with both documents, shared by the tests that leave it as it was, and a browser."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.conftest import ModelFiles
from tests.e2e.browser import browsing, session_of, window
from tests.e2e.service import DOCUMENTS, Place, Service, serving
from tests.ports import free_port


@pytest.fixture(scope="session")
def new_place(
    tmp_path_factory: pytest.TempPathFactory, model_files: ModelFiles
) -> Callable[[], Place]:
    """Makes an empty data folder with a port of its own.

    All have one cache: what the first service compiles and packs, the others need not.
    """
    cache = tmp_path_factory.mktemp("cache")

    def make() -> Place:
        data_dir = tmp_path_factory.mktemp("place") / "data"
        data_dir.mkdir()
        (data_dir / "cache").symlink_to(cache)
        return Place(data_dir, model_files.root, free_port())

    return make


@pytest.fixture
def place(new_place: Callable[[], Place]) -> Place:
    """An empty data folder and a free port."""
    return new_place()


@pytest.fixture(scope="session")
def library(new_place: Callable[[], Place]) -> Iterator[Service]:
    """A service that holds the English PDF and the Spanish page; each test leaves it as it was."""
    with serving(new_place()) as service:
        for name in ("fastapi-alternatives.pdf", "sobre-https.md"):
            service.add(DOCUMENTS / name)
        yield service


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser of the module's own."""
    with browsing() as started:
        yield started


@pytest.fixture(scope="module")
def session(browser: Browser, library: Service) -> Any:
    """What a browser keeps of being signed in there."""
    return session_of(browser, library)


@pytest.fixture
def page(browser: Browser, library: Service, session: Any) -> Iterator[Page]:
    """A window of somebody who is signed in there."""
    with window(browser, storage_state=session, base_url=library.base_url) as opened:
        yield opened
