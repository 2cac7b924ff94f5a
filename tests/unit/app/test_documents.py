"""Documents and collections over HTTP: list, read, download, delete."""

import pytest

from app.api import common
from tests.unit.app.house import POOL, House


def test_the_collection_default_always_exists(house: House) -> None:
    names = [item["name"] for item in house.client.get("/v1/collections").json()["items"]]
    assert names == ["default"]


def test_a_collection_lives_from_post_to_delete(house: House) -> None:
    made = house.client.post("/v1/collections", json={"name": "handbook", "language": "es"})
    assert made.status_code == 201
    assert made.json()["num_documents"] == 0
    changed = house.client.patch("/v1/collections/handbook", json={"description": "Rules"})
    assert (changed.json()["description"], changed.json()["language"]) == ("Rules", "es")
    house.add("pool.txt", POOL, collection="handbook")
    assert house.client.get("/v1/collections/handbook").json()["num_documents"] == 1
    purged = house.client.delete("/v1/collections/handbook").json()["purged"]
    assert purged == {"versions": 1, "chunks": 1, "vectors": 1, "blobs": 1}
    assert house.client.get("/v1/collections/handbook").status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "default"}, 409),
        ({"name": "Bad Name"}, 422),
        ({"name": ""}, 422),
        ({"name": "a" * 64}, 422),
        ({"name": "ok", "settings": {"colour": "red"}}, 422),
        ({"name": "ok", "language": "klingon"}, 422),
    ],
)
def test_a_bad_collection_is_refused(house: House, body: dict[str, object], status: int) -> None:
    assert house.client.post("/v1/collections", json=body).status_code == status


def test_documents_are_listed_newest_first_and_filtered(house: House) -> None:
    house.client.post("/v1/collections", json={"name": "other"})
    house.add("pool.txt", POOL)
    house.add("sauna.txt", "The sauna is hot.", collection="other")
    house.upload("waiting.txt", "Not read yet.")

    def names(query: str) -> list[str]:
        items = house.client.get(f"/v1/documents{query}").json()["items"]
        return [item["name"] for item in items]

    assert names("") == ["waiting.txt", "sauna.txt", "pool.txt"]
    assert names("?collection=other") == ["sauna.txt"]
    assert names("?state=queued") == ["waiting.txt"]
    assert names("?q=POOL") == ["pool.txt"]
    assert names("?q=%25") == []


def test_pages_of_documents_join_without_gap_or_repeat(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common, "PAGE_SIZE", 2)
    sent = [f"{number}.txt" for number in range(5)]
    for name in sent:
        house.upload(name, name)
    seen, cursor, num_pages = [], "", 0
    while cursor is not None:
        page = house.client.get(f"/v1/documents?cursor={cursor}" if cursor else "/v1/documents")
        seen += [item["name"] for item in page.json()["items"]]
        cursor, num_pages = page.json()["next_cursor"], num_pages + 1
    assert (seen, num_pages) == (sent[::-1], 3)


def test_the_original_bytes_come_back_as_a_download(house: House) -> None:
    page = b"<!doctype html><p>The pool opens at nine.</p><script>alert(1)</script>"
    document_id = house.add("pool.html", page)
    response = house.client.get(f"/v1/documents/{document_id}/content")
    assert response.content == page
    assert response.headers["content-disposition"].startswith("attachment;")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in response.headers["content-security-policy"]


def test_a_name_cannot_break_out_of_its_header(house: House) -> None:
    document_id = house.add('a"\r\nSet-Cookie: x=y;ñ.txt', POOL)
    headers = house.client.get(f"/v1/documents/{document_id}/content").headers
    assert "set-cookie" not in headers
    assert headers["content-disposition"].startswith("attachment; filename*=utf-8''")


def test_every_version_can_be_read(house: House) -> None:
    document_id = house.add("pool.txt", POOL)
    path = "/v1/collections/default/documents?on_conflict=version"
    house.client.post(path, files={"file": ("pool.txt", b"The pool opens at ten.")})
    house.ingest()
    versions = house.client.get(f"/v1/documents/{document_id}/versions").json()["items"]
    assert [version["version"] for version in versions] == [2, 1]
    texts = {
        number: house.client.get(f"/v1/documents/{document_id}/text?version={number}").json()
        for number in (1, 2)
    }
    assert texts[1]["text"] == POOL
    assert texts[2]["text"] == "The pool opens at ten."
    shown = house.client.get(f"/v1/documents/{document_id}/text").json()
    assert shown["version"] == 2
    assert house.client.get(f"/v1/documents/{document_id}/text?version=3").status_code == 404


def test_search_returns_places_that_slice_the_text(house: House) -> None:
    document_id = house.add("pool.txt", POOL)
    found = house.client.post("/v1/search", json={"query": "dogs in the pool"}).json()
    passage = found["passages"][0]
    assert passage.keys() == {
        "id",
        "document_id",
        "document_name",
        "version",
        "collection",
        "page",
        "start",
        "end",
        "boxes",
        "heading",
        "text",
        "score",
        "scores",
    }
    text = house.client.get(f"/v1/documents/{document_id}/text").json()["text"]
    assert passage["text"] == text[passage["start"] : passage["end"]]
    assert found["timings"]["retrieve_ms"] >= 0


def test_search_in_an_empty_house_finds_nothing(house: House) -> None:
    assert house.client.post("/v1/search", json={"query": "dogs"}).json()["passages"] == []


def test_search_stays_inside_the_collections_asked_for(house: House) -> None:
    house.client.post("/v1/collections", json={"name": "other"})
    house.add("pool.txt", POOL)
    body = {"query": "pool", "collections": ["other"]}
    assert house.client.post("/v1/search", json=body).json()["passages"] == []
    body = {"query": "pool", "collections": ["none"]}
    assert house.client.post("/v1/search", json=body).status_code == 404


def test_deleted_document_never_answers_again(house: House) -> None:
    document_id = house.add("pool.txt", POOL)
    purged = house.client.delete(f"/v1/documents/{document_id}").json()["purged"]
    assert purged == {"versions": 1, "chunks": 1, "vectors": 1, "blobs": 1}
    assert house.generator.num_forgotten == 1
    assert house.client.post("/v1/search", json={"query": "pool"}).json()["passages"] == []
    reply = house.client.post("/v1/answer", json={"question": "When?", "min_confidence": 0}).json()
    assert (reply["status"], reply["citations"], reply["passages"]) == ("refused", [], [])
    assert house.client.get(f"/v1/documents/{document_id}").status_code == 404
    assert house.client.delete(f"/v1/documents/{document_id}").status_code == 404


def test_version_of_the_service(house: House) -> None:
    assert house.client.get("/v1/version").json()["version"].count(".") == 2


def test_live_always_answers_and_ready_says_what_is_missing(house: House) -> None:
    assert house.stranger.get("/health/ready").json() == {"status": "ready"}
    house.is_worker_alive = False
    response = house.stranger.get("/health/ready")
    problem = response.json()
    assert (response.status_code, problem["code"]) == (503, "not_ready")
    assert problem["detail"] == "the ingestion worker is not running"
    assert house.stranger.get("/health/live").status_code == 200


def test_a_single_version_is_deleted_and_its_number_not_given_again(house: House) -> None:
    document_id = house.add("pool.txt", POOL)
    files = {"file": ("pool.txt", b"The pool is closed for good.")}
    path = "/v1/collections/default/documents?on_conflict=version"
    assert house.client.post(path, files=files).json()["version"] == 2
    house.ingest()
    gone = house.client.delete(f"/v1/documents/{document_id}/versions/2")
    assert gone.json()["purged"] == {"versions": 1, "chunks": 1, "vectors": 1, "blobs": 1}
    assert house.client.delete(f"/v1/documents/{document_id}/versions/2").status_code == 404
    assert house.client.post("/v1/search", json={"query": "pool"}).json()["passages"] == []
    assert house.client.get(f"/v1/documents/{document_id}/text?version=1").json()["text"] == POOL
    assert house.client.post(path, files=files).json()["version"] == 3
