"""A change that names what its caller saw is made only while that is what is there."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from tests.unit.app.house import House

COLLECTION = "/v1/collections/pools"
PROMPT = f"{COLLECTION}/prompt"
PERSON = "/v1/people/ana"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A service with a collection and a person that two others look after."""
    house = House(tmp_path / "data")
    house.client = house.sign_in()
    house.client.headers["Sec-Fetch-Site"] = "same-origin"
    house.client.post("/v1/collections", json={"name": "pools"})
    assert house.client.post("/v1/people", json={"name": "ana"}).status_code == 201
    yield house
    house.close()


def tag_of(house: House, path: str) -> str:
    tag: str = house.client.get(path).headers["etag"]
    return tag


def send(house: House, method: str, path: str, body: object = None, *, tag: str) -> httpx2.Response:
    return house.client.request(method, path, json=body, headers={"If-Match": tag})


CHANGES = [
    ("PATCH", COLLECTION, {"description": "mine"}, {"description": "theirs"}),
    ("PUT", PROMPT, {"prompt": "direct"}, {"prompt": "few_shot"}),
    ("PATCH", PERSON, {"display_name": "mine"}, {"display_name": "theirs"}),
]


@pytest.mark.parametrize(("method", "path", "mine", "theirs"), CHANGES)
def test_of_two_who_saw_the_same_the_second_changes_nothing(
    house: House, method: str, path: str, mine: object, theirs: object
) -> None:
    tag = tag_of(house, path)
    assert send(house, method, path, theirs, tag=tag).status_code == 200
    after_theirs = house.client.get(path).json()
    refused = send(house, method, path, mine, tag=tag)
    assert (refused.status_code, refused.json()["code"]) == (412, "changed_meanwhile")
    assert house.client.get(path).json() == after_theirs
    # having read it again, they may
    assert send(house, method, path, mine, tag=tag_of(house, path)).status_code == 200
    assert house.client.get(path).json() != after_theirs


@pytest.mark.parametrize(("method", "path", "mine", "theirs"), CHANGES)
def test_of_many_at_the_same_moment_one_changes_it(
    house: House, method: str, path: str, mine: object, theirs: object
) -> None:
    tag = tag_of(house, path)
    with ThreadPoolExecutor(6) as threads:
        replies = list(
            threads.map(lambda body: send(house, method, path, body, tag=tag), [mine, theirs] * 3)
        )
    assert sorted(reply.status_code for reply in replies) == [200, *[412] * 5]


@pytest.mark.parametrize("path", [COLLECTION, PERSON])
def test_what_has_changed_is_not_deleted(house: House, path: str) -> None:
    tag = tag_of(house, path)
    field = "description" if path == COLLECTION else "display_name"
    house.client.patch(path, json={field: "theirs"})
    assert send(house, "DELETE", path, tag=tag).status_code == 412
    assert send(house, "DELETE", path, tag=tag_of(house, path)).status_code in (200, 204)
    assert house.client.get(path).status_code == 404


@pytest.mark.parametrize(("method", "path", "mine", "theirs"), CHANGES)
def test_without_a_tag_and_with_any_it_is_changed_whatever_it_is(
    house: House, method: str, path: str, mine: object, theirs: object
) -> None:
    assert house.client.request(method, path, json=theirs).status_code == 200
    assert send(house, method, path, mine, tag="*").status_code == 200
    named = f'"0", W/{tag_of(house, path)}'
    assert send(house, method, path, theirs, tag=named).status_code == 200


def test_what_is_not_there_has_no_tag(house: House) -> None:
    missing = send(house, "PATCH", "/v1/collections/none", {}, tag="*")
    assert (missing.status_code, missing.json()["code"]) == (404, "collection_not_found")


def test_a_condition_that_a_route_does_not_look_at_is_refused(house: House) -> None:
    house.add("pool.txt", "The pool opens at nine.")
    (document,) = house.client.get("/v1/documents").json()["items"]
    path = f"/v1/documents/{document['id']}"
    refused = send(house, "DELETE", path, tag=tag_of(house, path))
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "If-Match"
    assert house.client.get(path).status_code == 200
