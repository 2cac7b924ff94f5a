"""langchain's standard suites for what asks over HTTP, before a service of the tests' own."""

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import (
    ChatModelIntegrationTests,
    RetrieversIntegrationTests,
)
from langchain_tests.unit_tests import ChatModelUnitTests

from cimiento.client import Client
from cimiento.client.langchain import ChatCimiento, CimientoRetriever
from tests.unit.app.house import POOL, House

QUESTION = "When does the swimming pool open in the morning?"
SURE = {"min_confidence": 0}
# one for all: making a client reads the machine's certificates
NOBODY = Client("http://docs.example", "cim_key")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A service with a few documents."""
    house = House(tmp_path_factory.mktemp("network") / "data")
    house.client.post("/v1/collections", json={"name": "handbook"})
    house.add("pool.txt", POOL, "handbook")
    for number in range(4):
        house.add(f"{number}.txt", f"The river has {number} bridges.")
    yield house
    house.close()


def client_of(house: House) -> Client:
    """The client with a key."""
    return Client(house.services.settings.base_url, house.key, http=house.new_client())


class TestChatModelAlone(ChatModelUnitTests):
    """The unit suite of chat models."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatCimiento

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"client": NOBODY, "model": "cimiento/handbook"}


class TestChatModel(ChatModelIntegrationTests):
    """The integration suite of chat models."""

    @pytest.fixture(autouse=True)
    def serve(self, house: House) -> None:
        self._house = house

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatCimiento

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"client": client_of(self._house), "model": "cimiento", "options": SURE}

    @property
    def model_override_value(self) -> str:
        return "cimiento/handbook"


class TestRetriever(RetrieversIntegrationTests):
    """The suite of retrievers."""

    @pytest.fixture(autouse=True)
    def serve(self, house: House) -> None:
        self._house = house

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return CimientoRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"client": client_of(self._house)}

    @property
    def retriever_query_example(self) -> str:
        return "how many bridges has the river?"


def test_a_chat_has_its_citations(house: House) -> None:
    model = ChatCimiento(client=client_of(house), model="cimiento/handbook", options=SURE)
    reply = model.invoke(QUESTION)
    (citation, *_) = reply.response_metadata["citations"]
    (annotation, *_) = reply.response_metadata["annotations"]
    assert annotation["url_citation"]["url"] in str(reply.content)
    assert "nine in the morning" in citation["quote"]
    assert "refusal" not in reply.additional_kwargs
    streamed = [*model.stream(QUESTION)]
    whole = streamed[0]
    for chunk in streamed[1:]:
        whole += chunk
    assert whole.content == reply.content
    assert whole.usage_metadata == reply.usage_metadata
    assert whole.response_metadata["annotations"] == reply.response_metadata["annotations"]


def test_a_refusal_is_told_as_one(house: House) -> None:
    model = ChatCimiento(client=client_of(house), options={"min_confidence": 1})
    reply = model.invoke(QUESTION)
    assert reply.additional_kwargs["refusal"] == reply.content
    assert reply.response_metadata["status"] == "refused"
    chunks = [*model.stream(QUESTION)]
    refusals = [chunk.additional_kwargs["refusal"] for chunk in chunks if chunk.additional_kwargs]
    assert "".join(refusals) == reply.content


def test_stop_cuts_the_text(house: House) -> None:
    model = ChatCimiento(client=client_of(house), model="cimiento/handbook", options=SURE)
    cut = str(model.invoke(QUESTION, stop=["nine"]).content)
    assert cut.endswith("opens at ")
    assert "".join(str(chunk.content) for chunk in model.stream(QUESTION, stop=["nine"])) == cut


def test_a_retriever_stays_inside_its_collections(house: House) -> None:
    retriever = CimientoRetriever(client=client_of(house), options={"collections": ["handbook"]})
    found = retriever.invoke("how many bridges has the river?", k=3)
    assert {document.metadata["collection"] for document in found} == {"handbook"}
