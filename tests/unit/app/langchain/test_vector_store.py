"""The vector store keeps texts as documents, and leaves those of others alone."""

from typing import Any

import pytest
from langchain_core.documents import Document

from app.langchain.embeddings import CimientoEmbeddings
from app.langchain.retriever import CimientoRetriever
from app.langchain.texts import TextsNotAddedError
from app.langchain.vector_store import CimientoVectorStore
from core.access import Access
from ingestion.errors import BadMetadataError, BadNameError
from retrieval.types import Mode
from tests.fakes import FakeEmbedder
from tests.unit.app.house import POOL, House
from tests.unit.app.langchain.shelf import open_store

LONG = "\r\n\r\n".join(f"Paragraph {number} tells of the river. " * 30 for number in range(20))


def test_a_text_comes_back_to_the_byte_however_many_chunks_it_has(house: House) -> None:
    store = open_store(house)
    store.add_texts([LONG, "<html><b>no page</b>"], ids=["guides/river", "markup"])

    (found,) = store.similarity_search("the river", k=1)

    assert (found.id, found.page_content) == ("guides/river", LONG)
    assert len(store.similarity_search("the river", k=2)) == 2
    (markup,) = store.get_by_ids(["markup"])
    assert markup.page_content == "<html><b>no page</b>"


def test_equal_text_with_other_metadata_has_the_other_metadata(house: House) -> None:
    store = open_store(house)
    store.add_texts(["a river"], [{"year": 1}], ids=["r"])

    store.add_texts(["a river"], [{"year": 2}], ids=["r"])

    assert store.similarity_search("river") == [
        Document(id="r", page_content="a river", metadata={"year": 2})
    ]
    condition = {"field": "metadata.year", "op": "eq", "value": 1}
    assert store.similarity_search("river", filter=condition) == []


def test_of_two_texts_with_one_id_the_later_counts(house: House) -> None:
    store = open_store(house)

    assert store.add_texts(["first", "second"], ids=["x", "x"]) == ["x", "x"]

    assert [text.page_content for text in store.get_by_ids(["x"])] == ["second"]


def test_equal_texts_of_two_ids_are_two_texts(house: House) -> None:
    store = open_store(house)
    store.add_texts(["the same river"] * 2, ids=["a", "b"])

    assert {text.id for text in store.similarity_search("river")} == {"a", "b"}


def test_what_others_uploaded_is_found_but_neither_replaced_nor_deleted(house: House) -> None:
    foreign = house.add("pool.txt", POOL)
    store = open_store(house, mode=Mode.HYBRID)

    with pytest.raises(TextsNotAddedError, match=r"pool\.txt"):
        store.add_texts(["mine"], ids=["pool.txt"])
    store.delete(["pool.txt"])
    store.delete()

    (found,) = store.similarity_search("swimming pool")
    assert found.metadata["document_id"] == foreign
    assert found.page_content in POOL
    assert store.get_by_ids(["pool.txt"]) == []


def test_texts_of_another_collection_are_not_found(house: House) -> None:
    house.client.post("/v1/collections", json={"name": "other"})
    open_store(house, collection="other").add_texts(["a secret river"])

    assert open_store(house).similarity_search("secret river") == []


def test_what_cannot_be_kept_is_refused_before_anything_is(house: House) -> None:
    store = open_store(house)

    with pytest.raises(BadMetadataError):
        store.add_texts(["a", "b"], [{}, {"when": object()}], ids=["a", "b"])
    with pytest.raises(BadNameError):
        store.add_texts(["a", "b"], ids=["a", "../b"])

    assert store.get_by_ids(["a"]) == []


def test_a_text_without_words_fails_and_is_named(house: House) -> None:
    store = open_store(house)

    with pytest.raises(TextsNotAddedError, match="blank"):
        store.add_texts(["good", " \n "], ids=["kept", "blank"])

    assert [text.id for text in store.get_by_ids(["kept", "blank"])] == ["kept"]


def test_a_store_is_made_from_texts_with_the_model_of_its_index_only(house: House) -> None:
    ours = CimientoEmbeddings(house.services.embedder)
    options: dict[str, Any] = {
        "services": house.services,
        "see_through": open_store(house)._texts._see_through,
    }

    store = CimientoVectorStore.from_texts(["a river"], ours, ids=["r"], **options)

    assert [text.id for text in store.get_by_ids(["r"])] == ["r"]
    with pytest.raises(ValueError, match="model of its index"):
        CimientoVectorStore.from_texts(
            ["x"], CimientoEmbeddings(FakeEmbedder(model="another")), **options
        )


def test_passages_carry_their_exact_places(house: House) -> None:
    document = house.add("pool.txt", POOL)
    retriever = CimientoRetriever(
        retriever=house.services.retriever, access=Access.to_everything(), k=1
    )

    (found,) = retriever.invoke("when does the pool open?")

    assert found.metadata["document_id"] == document
    assert found.page_content == POOL[found.metadata["start"] : found.metadata["end"]]


def test_scores_are_highest_for_the_nearest(house: House) -> None:
    store = open_store(house)
    store.add_texts(["river boats", "cats sleep"], ids=["near", "far"])

    scored = store.similarity_search_with_relevance_scores("river boats", k=2)

    assert [document.id for document, _ in scored] == ["near", "far"]
    assert 1 >= scored[0][1] > scored[1][1] >= 0
