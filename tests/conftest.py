"""Fixtures that more than one kind of test needs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from core.errors import CimientoError
from core.models import ModelStore
from core.settings import load_settings, tame_idle_threads
from tests.databases import drop_below, is_postgresql

tame_idle_threads()
# Machines are noisy: a slow example is not a wrong one.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


_ABOUT_SQLITE = pytest.mark.skip(reason="it is about SQLite, and the truth is in PostgreSQL")


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Leave out what is about SQLite where the tests run on PostgreSQL."""
    for item in items if is_postgresql() else ():
        if item.get_closest_marker("sqlite"):
            item.add_marker(_ABOUT_SQLITE)


@pytest.fixture(autouse=True)
def databases_are_dropped(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test's databases on PostgreSQL go with it: ten megabytes each would fill the disk."""
    # asked for first: it is there until after this
    wanted = "tmp_path" in request.fixturenames
    folder: Path | None = request.getfixturevalue("tmp_path") if wanted else None
    yield
    if folder is not None:
        drop_below(folder)


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Where the pulled models of this machine are."""

    root: Path
    answer_model: Path
    embedding_model: Path


@pytest.fixture(scope="session")
def model_files() -> ModelFiles:
    """The real weights. Fails, rather than skips, where they have not been pulled."""
    loaded = load_settings()
    store = ModelStore(loaded.models_dir)
    try:
        return ModelFiles(
            root=loaded.models_dir,
            answer_model=store.get(loaded.models.answer) / "model.gguf",
            embedding_model=store.get(loaded.models.embedding),
        )
    except CimientoError as error:
        pytest.fail(str(error))
