"""Who has read something already is told whether it changed, and nothing else."""

import hashlib

import pytest

from app.conditional import is_known
from app.people.credentials import NewKey
from core.access import Scope
from tests.unit.app.house import POOL, House

PLACE = "/v1/collections/default"


def test_what_has_not_changed_is_not_sent_again(house: House) -> None:
    first = house.client.get(PLACE)
    again = house.client.get(PLACE, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert "content-length" not in again.headers
    # as with every response
    assert again.headers["x-content-type-options"] == "nosniff"
    assert again.headers["cache-control"] == "no-store"


def test_whatever_changes_what_is_shown_changes_its_tag(house: House) -> None:
    tag = house.client.get(PLACE).headers["etag"]
    house.client.patch(PLACE, json={"description": "What we tell everybody."})
    changed = house.client.get(PLACE, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.json()["description"] == "What we tell everybody."
    assert changed.headers["etag"] != tag


def test_a_tag_opens_nothing(pool: House) -> None:
    path = f"/v1/documents/{pool.client.get('/v1/documents').json()['items'][0]['id']}"
    tag = pool.client.get(path).headers["etag"]
    asked = {"If-None-Match": tag}
    assert pool.stranger.get(path, headers=asked).status_code == 401
    pool.services.collections.create("elsewhere")
    _, key = pool.services.credentials.create(NewKey("narrow", collections=["elsewhere"]))
    narrow = pool.new_client({"Authorization": f"Bearer {key}"})
    for known in (tag, "*"):
        assert narrow.get(path, headers={"If-None-Match": known}).status_code == 404


def test_a_deleted_document_is_not_said_to_be_unchanged(pool: House) -> None:
    document_id = pool.client.get("/v1/documents").json()["items"][0]["id"]
    paths = [f"/v1/documents/{document_id}{part}" for part in ("", "/text", "/content")]
    tags = [pool.client.get(path).headers["etag"] for path in paths]
    assert pool.client.delete(paths[0]).status_code == 200
    for path, tag in zip(paths, tags, strict=True):
        assert pool.client.get(path, headers={"If-None-Match": tag}).status_code == 404


def test_the_bytes_of_a_document_are_told_by_their_hash(pool: House) -> None:
    document_id = pool.client.get("/v1/documents").json()["items"][0]["id"]
    path = f"/v1/documents/{document_id}/content"
    whole = pool.client.get(path)
    assert whole.headers["etag"] == f'"{hashlib.sha256(POOL.encode()).hexdigest()}"'
    asked = {"If-None-Match": whole.headers["etag"]}
    assert (pool.client.get(path, headers=asked).status_code, whole.text) == (304, POOL)
    # what was broken off goes on, if it is still the same
    rest = {"Range": "bytes=10-", "If-Range": whole.headers["etag"]}
    assert pool.client.get(path, headers=rest).content == POOL.encode()[10:]


def test_events_and_changes_have_no_tag(pool: House) -> None:
    asked = {"question": "When does the pool open?", "stream": True, "min_confidence": 0}
    assert "etag" not in pool.client.post("/v1/answer", json=asked).headers
    assert "etag" not in pool.client.patch(PLACE, json={"description": "new"}).headers
    assert "etag" not in pool.client.get("/v1/documents/nowhere").headers
    _, key = pool.services.credentials.create(NewKey("watch", scopes=frozenset({Scope.METRICS})))
    watching = pool.new_client({"Authorization": f"Bearer {key}"})
    assert "etag" not in watching.get("/metrics").headers


@pytest.mark.parametrize(
    ("named", "is_it"),
    [
        ('"a"', True),
        ('W/"a"', True),
        ('"b", "a"', True),
        ("*", True),
        ('"b"', False),
        ("a", False),
        ("", False),
    ],
)
def test_a_list_of_tags_names_each(named: str, *, is_it: bool) -> None:
    assert is_known('"a"', named) is is_it
