"""Labels of documents over HTTP: given, kept, filtered by in lists and searches, and removed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.classifying import ClassifierRouter, load_classifiers, load_router
from core.access import Access
from core.classifier import Classifier, Layer, serialise_classifier
from core.errors import ClassifierUnusableError, SettingsError
from core.retrieval_settings import RetrievalSettings
from core.settings import IngestionSettings, Settings
from ingestion.labelling import Labelled, label_documents
from tests.fakes import FakeEmbedder
from tests.unit.app.house import POOL, House

EVERYTHING = Access.to_everything()
RECIPE = "Bake the dough with butter and sugar. The oven must be hot before the dough goes in."


def classifier(*, threshold: float = 0.5, model: str = "fake-embedder") -> Classifier:
    """Tells what speaks of pools from what speaks of dough."""
    embedder = FakeEmbedder()
    pool, dough = embedder.embed_passages([POOL, RECIPE])
    return Classifier(
        name="topic",
        subject="documents",
        labels=("bathing", "baking"),
        embedding_model=model,
        temperature=0.1,
        threshold=threshold,
        hidden=None,
        out=Layer(np.stack([pool, dough]), np.zeros(2, np.float32)),
    )


def labels(house: House, document_id: str) -> list[dict[str, Any]]:
    reply = house.client.get(f"/v1/documents/{document_id}/labels")
    items: list[dict[str, Any]] = reply.json()["items"]
    return items


def listed(house: House, label: str) -> list[str]:
    reply = house.client.get("/v1/documents", params={"label": label}).json()
    return [item["id"] for item in reply["items"]]


def found(house: House, where: dict[str, Any]) -> set[str]:
    asked = {"query": "dough oven pool morning", "filter": where}
    passages = house.client.post("/v1/search", json=asked).json()["passages"]
    return {hit["document_id"] for hit in passages}


def test_a_document_is_labelled_as_it_comes_in_and_found_by_its_label(house: House) -> None:
    house.classifiers = (classifier(),)
    pool, recipe = house.add("pool.txt", POOL), house.add("recipe.txt", RECIPE)
    (label,) = labels(house, pool)
    assert (label["name"], label["label"], label["by"]) == ("topic", "bathing", "classifier")
    assert 0.5 < label["chance"] <= 1
    assert (listed(house, "topic:bathing"), listed(house, "topic:baking")) == ([pool], [recipe])
    assert listed(house, "kind:bathing") == listed(house, "topic:else") == []
    where = {"field": "label.topic", "op": "eq", "value": "baking"}
    assert found(house, where) == {recipe}
    assert found(house, {"not": where}) == {pool}
    assert found(house, where | {"op": "in", "value": ["baking", "bathing"]}) == {pool, recipe}


def test_a_document_tells_its_labels(house: House) -> None:
    house.classifiers = (classifier(),)
    pool, other = house.add("pool.txt", POOL), house.add("other.txt", "Neither nor.")
    house.client.put(f"/v1/documents/{other}/labels/kind", json={"label": "notes"})
    told = {
        each["id"]: each["labels"] for each in house.client.get("/v1/documents").json()["items"]
    }
    for document in (pool, other):
        assert told[document] == labels(house, document)
        assert house.client.get(f"/v1/documents/{document}").json()["labels"] == told[document]
    assert "kind" in {each["name"] for each in told[other]}


def test_documents_that_were_there_before_a_classifier_are_labelled_by_it(house: House) -> None:
    pool, recipe, said = (
        house.add(f"{number}.txt", text) for number, text in enumerate((POOL, RECIPE, POOL + " "))
    )
    house.client.put(f"/v1/documents/{said}/labels/topic", json={"label": "sport"})
    assert labels(house, pool) == []
    for _ in range(2):
        done = label_documents(house.services.database, [classifier()], EVERYTHING)
        assert done == Labelled(3, 3)
        each = [labels(house, document)[0]["label"] for document in (pool, recipe, said)]
        assert each == ["bathing", "baking", "sport"]
    # one that is sure of nothing takes back what the one before said
    unsure = classifier(threshold=1.1)
    assert label_documents(house.services.database, [unsure], EVERYTHING) == Labelled(3, 0)
    assert [labels(house, document) for document in (pool, recipe)] == [[], []]
    with pytest.raises(ClassifierUnusableError, match="embedded by fake-embedder"):
        label_documents(house.services.database, [classifier(model="other")], EVERYTHING)


def test_a_label_that_a_person_gave_stays_when_the_document_comes_again(house: House) -> None:
    house.classifiers = (classifier(),)
    pool = house.add("pool.txt", POOL)
    path = f"/v1/documents/{pool}/labels/topic"
    said = house.client.put(path, json={"label": " spo\art "}).json()["items"]
    assert said == [{"name": "topic", "label": "sport", "by": "person", "chance": None}]
    assert house.add("pool.txt", POOL + " Tickets cost four euros.") == pool
    assert labels(house, pool) == said

    assert house.client.delete(path).json()["items"] == []
    house.add("pool.txt", POOL + " Tickets cost five euros.")
    assert [label["by"] for label in labels(house, pool)] == ["classifier"]


def test_what_a_classifier_said_before_goes_where_it_is_no_longer_sure(house: House) -> None:
    house.classifiers = (classifier(),)
    pool = house.add("pool.txt", POOL)
    house.classifiers = (classifier(threshold=1.1),)
    house.add("pool.txt", POOL + " Tickets cost four euros.")
    assert labels(house, pool) == []


def test_a_classifier_of_another_embedding_model_says_nothing(house: House) -> None:
    house.classifiers = (classifier(model="another"),)
    assert labels(house, house.add("pool.txt", POOL)) == []


def test_labels_go_with_their_document(house: House) -> None:
    pool = house.add("pool.txt", POOL)
    assert house.client.put(f"/v1/documents/{pool}/labels/topic", json={"label": "a"}).is_success
    house.client.delete(f"/v1/documents/{pool}")
    again = house.add("pool.txt", POOL)
    assert labels(house, again) == []
    assert house.client.get(f"/v1/documents/{pool}/labels").status_code == 404


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("Topic", {"label": "a"}),
        ("x" * 33, {"label": "a"}),
        ("topic", {"label": " "}),
        ("topic", {"label": "\a"}),
        ("topic", {"label": "x" * 65}),
        ("topic", {"label": 5}),
        ("topic", {}),
        ("topic", {"label": "a", "by": "classifier"}),
    ],
)
def test_a_label_that_makes_no_sense_is_refused(
    house: House, name: str, body: dict[str, object]
) -> None:
    pool = house.add("pool.txt", POOL)
    assert house.client.put(f"/v1/documents/{pool}/labels/{name}", json=body).status_code == 422
    assert labels(house, pool) == []


@pytest.mark.parametrize("label", ["topic", "Topic:a", "topic:", ":a"])
def test_a_list_is_asked_for_by_name_and_label(house: House, label: str) -> None:
    assert house.client.get("/v1/documents", params={"label": label}).status_code == 422


def test_the_classifier_of_the_settings_is_loaded_or_refused_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "topics.safetensors"
    settings = Settings(data_dir=tmp_path, ingestion=IngestionSettings(classifier=path))
    with pytest.raises(SettingsError, match="CIMIENTO_INGESTION__CLASSIFIER: there is no"):
        load_classifiers(settings)
    path.write_bytes(serialise_classifier(classifier()))
    assert [each.name for each in load_classifiers(settings)] == ["topic"]
    asked = replace(classifier(), subject="questions")
    path.write_bytes(serialise_classifier(asked))
    with pytest.raises(SettingsError, match="is a classifier of questions"):
        load_classifiers(settings)
    assert load_classifiers(Settings(data_dir=tmp_path)) == ()


@pytest.fixture
def routed(house: House) -> House:
    """A service with two collections, and a router between them."""
    house.client.post("/v1/collections", json={"name": "baking"})
    house.client.post("/v1/collections", json={"name": "bathing"})
    house.add("pool.txt", POOL, "bathing")
    house.add("recipe.txt", RECIPE, "baking")
    asked = replace(classifier(), subject="questions")
    router = ClassifierRouter(asked, FakeEmbedder(), house.services.collections)
    return house.behind(replace(house.services, router=router))


def ask(house: House, **body: object) -> dict[str, Any]:
    asked = {"question": "When does the swimming pool open in the morning?", **body}
    reply: dict[str, Any] = house.client.post("/v1/answer", json=asked).json()
    return reply


def test_a_question_that_names_no_collection_goes_where_the_classifier_is_sure(
    routed: House,
) -> None:
    answer = ask(routed)
    assert answer["receipt"]["routed_to"] == "bathing"
    assert {passage["collection"] for passage in answer["passages"]} == {"bathing"}
    named = ask(routed, collections=["baking"])
    assert named["receipt"]["routed_to"] is None
    assert {passage["collection"] for passage in named["passages"]} == {"baking"}
    again = routed.client.post(f"/v1/answers/{answer['id']}/replay").json()
    assert again["same"]


def test_where_the_classifier_is_not_sure_everything_is_searched(house: House) -> None:
    house.client.post("/v1/collections", json={"name": "bathing"})
    house.add("pool.txt", POOL, "bathing")
    unsure = replace(classifier(threshold=1.1), subject="questions")
    router = ClassifierRouter(unsure, FakeEmbedder(), house.services.collections)
    answer = ask(house.behind(replace(house.services, router=router)))
    assert answer["receipt"]["routed_to"] is None
    assert answer["passages"]


def test_nobody_is_sent_to_a_collection_that_they_may_not_see(routed: House) -> None:
    assert routed.client.delete("/v1/collections/bathing").status_code < 300
    assert ask(routed)["receipt"]["routed_to"] is None


def test_a_router_over_another_model_is_refused_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "routes.safetensors"
    asked = replace(classifier(model="another"), subject="questions")
    path.write_bytes(serialise_classifier(asked))
    settings = Settings(data_dir=tmp_path, retrieval=RetrievalSettings(router=path))
    with pytest.raises(SettingsError, match=r"CIMIENTO_RETRIEVAL__ROUTER: .* is over another"):
        load_router(settings, FakeEmbedder(), None)  # type: ignore[arg-type]  # is never asked
