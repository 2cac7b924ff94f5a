"""langchain's standard suites, over a service whose parser and models are the tests' own."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import (
    EmbeddingsIntegrationTests,
    RetrieversIntegrationTests,
    VectorStoreIntegrationTests,
)
from langchain_tests.unit_tests import EmbeddingsUnitTests

from app.langchain.embeddings import CimientoEmbeddings
from app.langchain.retriever import CimientoRetriever
from app.langchain.vector_store import CimientoVectorStore
from core.access import Access
from tests.fakes import FakeEmbedder
from tests.unit.app.house import House
from tests.unit.app.langchain.shelf import open_store


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """An empty service."""
    house = House(tmp_path / "data")
    yield house
    house.close()


class TestEmbeddingsAlone(EmbeddingsUnitTests):
    """The unit suite of embeddings."""

    @property
    def embeddings_class(self) -> type[CimientoEmbeddings]:
        return CimientoEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"embedder": FakeEmbedder()}


class TestEmbeddings(EmbeddingsIntegrationTests):
    """The integration suite of embeddings."""

    @property
    def embeddings_class(self) -> type[CimientoEmbeddings]:
        return CimientoEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"embedder": FakeEmbedder()}


class TestVectorStore(VectorStoreIntegrationTests):
    """The suite of vector stores: every document through upload, job, chunks and index."""

    @pytest.fixture
    def vectorstore(self, house: House, monkeypatch: pytest.MonkeyPatch) -> CimientoVectorStore:
        # names are embedded with their texts: random ones would now and then share one of the
        # fake model's 64 dimensions with a word of the suite
        numbers = count(1)
        monkeypatch.setattr("app.langchain.vector_store.uuid4", lambda: UUID(int=next(numbers)))
        return open_store(house)


class TestRetriever(RetrieversIntegrationTests):
    """The suite of retrievers."""

    @pytest.fixture(autouse=True)
    def filled(self, house: House) -> None:
        for number in range(4):
            house.add(f"{number}.txt", f"The river has {number} bridges.")
        self._house = house

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return CimientoRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        services = self._house.services
        return {"retriever": services.retriever, "access": Access.to_everything()}

    @property
    def retriever_query_example(self) -> str:
        return "how many bridges has the river?"
