"""Models and embeddings by OpenAI's own client."""

from typing import Any

import numpy as np
import openai
import pytest
from openai import OpenAI

from tests.unit.app.house import House
from tests.unit.app.openai.conftest import client_of


def test_every_collection_that_one_sees_is_a_model(client: OpenAI, library: House) -> None:
    everything = {"cimiento", "cimiento/default", "cimiento/handbook", "cimiento/rivers"}
    assert {model.id for model in client.models.list()} == {*everything, "fake-embedder"}
    _, key = library.services.credentials.create_key("one", collections=["rivers"])
    limited = client_of(library, key)
    assert {model.id for model in limited.models.list()} == {
        "cimiento",
        "cimiento/rivers",
        "fake-embedder",
    }
    assert limited.models.retrieve("cimiento/rivers").owned_by == "cimiento"


def test_several_collections_are_one_model(client: OpenAI) -> None:
    both = client.models.retrieve("cimiento/handbook,rivers")
    one = client.models.retrieve("cimiento/rivers")
    assert both.created == one.created > 0


def test_a_model_that_one_may_not_see_is_as_if_it_were_not_there(library: House) -> None:
    _, key = library.services.credentials.create_key("one", collections=["rivers"])
    told = []
    for name in ("handbook", "nowhere"):
        with pytest.raises(openai.NotFoundError) as refused:
            client_of(library, key).models.retrieve(f"cimiento/{name}")
        told.append(refused.value.message.replace(name, ""))
    assert told[0] == told[1]


def test_embeddings_are_those_of_the_index(client: OpenAI, library: House) -> None:
    texts = ["The pool opens at nine.", "Dogs are not allowed."]
    made = client.embeddings.create(model="fake-embedder", input=texts)
    told = client.embeddings.create(model="fake-embedder", input=texts, encoding_format="float")
    expected = library.services.embedder.embed_passages(texts)
    for reply in (made, told):
        np.testing.assert_allclose([each.embedding for each in reply.data], expected, rtol=1e-6)
    assert made.usage.total_tokens == 6 + 5


def test_embedding_is_charged_to_the_key(library: House) -> None:
    made, key = library.services.credentials.create_key("embeds")
    client_of(library, key).embeddings.create(model="fake-embedder", input="Four words are here")
    assert library.services.doors.usage.today()[made.id] == 4


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("input", {"input": "word " * 600}),
        ("input.1", {"input": ["word", "word " * 600]}),
        ("dimensions", {"input": "word", "dimensions": 3}),
    ],
)
def test_nothing_is_embedded_in_part(client: OpenAI, field: str, body: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model="fake-embedder", **body)
    assert refused.value.param == field


def test_another_embedding_model_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="text-embedding-3-small", input="word")
