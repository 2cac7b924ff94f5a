"""A vector store opened by a program of one's own: real models, durable jobs, no server."""

from pathlib import Path

import pytest

from app.langchain.opening import open_vector_store
from core.settings import ModelSettings, Settings
from tests.conftest import ModelFiles


@pytest.mark.weights
def test_texts_are_kept_from_one_opening_to_the_next(
    tmp_path: Path, model_files: ModelFiles
) -> None:
    settings = Settings(data_dir=tmp_path / "data", models=ModelSettings(dir=model_files.root))
    with open_vector_store(settings=settings) as store:
        store.add_texts(
            ["Every employee has 25 days of paid leave.", "The canteen opens at noon."],
            [{"topic": "leave"}, {"topic": "food"}],
            ids=["leave", "food"],
        )

    with open_vector_store(settings=settings) as store:
        (found,) = store.similarity_search("¿Cuántos días de vacaciones hay?", k=1)
        assert (found.id, found.metadata) == ("leave", {"topic": "leave"})
        store.delete(["leave"])
        (left,) = store.similarity_search("¿Cuántos días de vacaciones hay?")
        assert left.id == "food"
