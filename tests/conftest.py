"""Fixtures that more than one kind of test needs."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from core.errors import CimientoError
from core.models import ModelStore
from core.settings import load_settings, tame_idle_threads

tame_idle_threads()
# Machines are noisy: a slow example is not a wrong one.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


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
