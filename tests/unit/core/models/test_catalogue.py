"""The catalogue says of every model what a pull needs."""

import re

import pytest

from core.models import CATALOGUE, ModelKind, UnknownModelError, get_spec
from core.models.assemble import CONVERTERS


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_byte_of_a_model_is_pinned(name: str) -> None:
    spec = CATALOGUE[name]
    pinned = [spec.wheel.file, *spec.files, *(member.file for member in spec.wheel.members)]
    assert spec.files
    assert all(re.fullmatch("[0-9a-f]{64}", file.sha256) for file in pinned)
    assert all(file.size_bytes > 0 for file in pinned)


@pytest.mark.parametrize("name", CATALOGUE)
def test_no_path_leaves_the_models_folder(name: str) -> None:
    for file in CATALOGUE[name].files:
        assert not file.path.startswith("/")
        assert ".." not in file.path.split("/")


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_model_is_unpacked_or_converted_into_its_files(name: str) -> None:
    spec = CATALOGUE[name]
    if spec.converter is None:
        assert tuple(member.file for member in spec.wheel.members) == spec.files
    else:
        assert spec.converter in CONVERTERS


def test_embedding_models_say_how_they_want_their_text() -> None:
    traits = {spec.name: spec.embedding for spec in CATALOGUE.values()}
    e5 = traits["multilingual-e5-small"]
    assert e5 is not None
    assert (e5.dimensions, e5.query_prefix, e5.passage_prefix) == (384, "query: ", "passage: ")
    embeddings = [spec for spec in CATALOGUE.values() if spec.kind is ModelKind.EMBEDDINGS]
    assert all(spec.embedding is not None for spec in embeddings)


def test_an_unknown_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(UnknownModelError, match=r"'nothing'.*all-minilm-l6-v2"):
        get_spec("nothing")
