"""Keys open what they were made for, until they expire, and take no more than they may."""

from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from app.people import usage
from app.people.credentials import KeyLimits, NewKey
from core.access import Scope
from core.people_tables import ApiKeyRow
from core.tables import now
from tests.unit.app.evaluation_runs import CEILING, OPENS, TOWELS, lines
from tests.unit.app.house import POOL, House

OURS = {"Sec-Fetch-Site": "same-origin"}


def client_of(house: House, new: NewKey) -> TestClient:
    """A client with a key that was made for it."""
    _, secret = house.services.credentials.create(new)
    return house.new_client({"Authorization": f"Bearer {secret}"})


@pytest.fixture
def owner(house: House) -> TestClient:
    """The owner's browser."""
    browser = house.sign_in()
    browser.headers.update(OURS)
    return browser


def test_a_secret_is_shown_once(house: House, owner: TestClient) -> None:
    made = owner.post("/v1/keys", json={"name": "billing", "scopes": ["read"]})
    assert made.status_code == 201
    secret = made.json()["key"]
    assert secret.startswith("cim_")
    listed = owner.get("/v1/keys")
    assert secret not in listed.text
    (key,) = [each for each in listed.json()["items"] if each["name"] == "billing"]
    assert (key["scopes"], key["person"], key["collections"]) == (["read"], "owner", None)


def test_an_expired_key_opens_nothing(house: House) -> None:
    client = client_of(house, NewKey("brief", expires_at=now() + timedelta(hours=1)))
    assert client.get("/v1/me").status_code == 200
    with house.services.database.session_scope() as session:
        session.execute(update(ApiKeyRow).where(ApiKeyRow.name == "brief").values(expires_at=now()))
    assert client.get("/v1/me").status_code == 401


def test_a_key_says_what_it_is(house: House) -> None:
    new = NewKey("billing", collections=["default"], scopes=frozenset({Scope.READ}))
    me = client_of(house, new).get("/v1/me").json()
    assert (me["kind"], me["name"], me["scopes"]) == ("key", "billing", ["read"])
    assert me["collections"] == [{"name": "default", "role": "owner"}]


def test_last_use_is_kept(house: House, owner: TestClient) -> None:
    client = client_of(house, NewKey("billing"))
    client.get("/v1/version")
    (key,) = [each for each in owner.get("/v1/keys").json()["items"] if each["name"] == "billing"]
    assert key["last_used_at"] is not None


def test_a_key_sees_what_its_owner_sees_and_while_they_see_it(
    house: House, owner: TestClient
) -> None:
    house.add("pool.md", POOL)
    owner.post("/v1/people", json={"name": "ana"})
    person = house.services.doors.people.get("ana")
    client = client_of(house, NewKey("ana's", person_id=person.id))
    limited = client_of(house, NewKey("narrow", person_id=person.id, collections=["default"]))
    grant = "/v1/collections/default/access/people/ana"
    for each in (client, limited):
        assert each.get("/v1/collections").json()["items"] == []
    owner.put(grant, json={"role": "reader"})
    for each in (client, limited):
        assert len(each.get("/v1/documents").json()["items"]) == 1
        assert each.delete("/v1/collections/default").status_code == 403
    owner.delete(grant)
    for each in (client, limited):
        assert each.get("/v1/documents").json()["items"] == []


def test_nobody_makes_a_key_to_what_they_do_not_see(house: House, owner: TestClient) -> None:
    owner.post("/v1/people", json={"name": "ana"})
    browser = house.new_client(OURS)
    person = house.services.doors.people.get("ana")
    browser.cookies.set("cimiento_session", house.services.doors.sessions.open(person.id))
    refused = browser.post("/v1/keys", json={"name": "k", "collections": ["default"]})
    unknown = browser.post("/v1/keys", json={"name": "k", "collections": ["nobodys"]})
    assert (refused.status_code, unknown.status_code) == (404, 404)
    assert refused.text.replace("default", "nobodys") == unknown.text
    for body in ({"scopes": ["people"]}, {"for_service": True}):
        assert browser.post("/v1/keys", json={"name": "k", **body}).status_code == 403
    made = browser.post("/v1/keys", json={"name": "k"})
    assert made.status_code == 201
    # an owner sees it, its owner sees it, and nobody else's are there
    assert len(browser.get("/v1/keys").json()["items"]) == 1
    tests_key, *_ = [each for each in owner.get("/v1/keys").json()["items"] if not each["person"]]
    assert browser.delete(f"/v1/keys/{tests_key['id']}").status_code == 404
    assert browser.delete(f"/v1/keys/{made.json()['id']}").status_code == 204


def test_a_key_of_a_service_outlives_whoever_made_it(house: House, owner: TestClient) -> None:
    made = owner.post("/v1/keys", json={"name": "k", "for_service": True}).json()
    owner.post("/v1/people", json={"name": "bea", "is_owner": True})
    house.services.doors.people.delete("owner")
    client = house.new_client({"Authorization": f"Bearer {made['key']}"})
    assert client.get("/v1/me").status_code == 200


# ---- how much ------------------------------------------------------------------------------


def test_a_key_that_asks_too_often_is_told_when_to_come_back(house: House) -> None:
    limits = KeyLimits(max_requests_per_minute=3)
    client = client_of(house, NewKey("busy", limits=limits))
    responses = [client.get("/v1/version") for _ in range(5)]
    assert [response.status_code for response in responses] == [200] * 3 + [429] * 2
    assert responses[-1].json()["code"] == "rate_limited"
    assert 0 < int(responses[-1].headers["retry-after"]) <= 60
    # another key of the same kind has its own
    assert client_of(house, NewKey("calm", limits=limits)).get("/v1/version").status_code == 200


def test_a_key_whose_tokens_are_spent_may_read_but_not_ask(
    house: House, owner: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.add("pool.md", POOL)
    client = client_of(house, NewKey("thrifty", limits=KeyLimits(max_tokens_per_day=1)))
    body = {"question": "When does the pool open?", "min_confidence": 0}
    first = client.post("/v1/answer", json=body)
    used = sum(first.json()["usage"].values())
    assert (first.status_code, used > 0) == (200, True)
    refused = client.post("/v1/answer", json={**body, "stream": True})
    assert (refused.status_code, refused.json()["code"]) == (429, "budget_spent")
    assert 0 < int(refused.headers["retry-after"]) <= 24 * 3600 + 1
    assert client.get(f"/v1/answers/{first.json()['id']}").status_code == 200
    assert client.post("/v1/search", json={"query": "pool"}).status_code == 200
    (key,) = [each for each in owner.get("/v1/keys").json()["items"] if each["name"] == "thrifty"]
    assert key["tokens_today"] == used
    monkeypatch.setattr(usage, "now", lambda: now() + timedelta(days=1))
    assert client.post("/v1/answer", json=body).status_code == 200


@pytest.mark.parametrize(
    ("body", "num_asked"),
    [({"questions": lines(OPENS, TOWELS, CEILING), "min_confidence": 0}, 1), ({"generate": 2}, 0)],
)
def test_a_run_of_an_evaluation_takes_its_keys_tokens_and_ends_with_them(
    house: House, owner: TestClient, body: dict[str, object], num_asked: int
) -> None:
    house.add("pool.md", POOL)
    client = client_of(house, NewKey("thrifty", limits=KeyLimits(max_tokens_per_day=1)))
    path = f"/v1/evaluations/{client.post('/v1/evaluations', json=body).json()['id']}"
    house.evaluate()
    run = client.get(path).json()
    assert (run["state"], run["error"]["code"]) == ("failed", "budget_spent")
    assert run["done"] == num_asked
    if num_asked:
        (case,) = client.get(f"{path}/report").json()["cases"]
        assert case["tokens"] > 0
    (key,) = [each for each in owner.get("/v1/keys").json()["items"] if each["name"] == "thrifty"]
    assert key["tokens_today"] > 20  # the prompt's are among them
    assert client.post("/v1/evaluations", json=body).status_code == 429


def test_deleting_answers_gives_no_tokens_back(house: House) -> None:
    house.add("pool.md", POOL)
    client = client_of(house, NewKey("thrifty", limits=KeyLimits(max_tokens_per_day=1)))
    body = {"question": "When does the pool open?", "min_confidence": 0}
    answer = client.post("/v1/answer", json=body).json()["id"]
    assert client.delete(f"/v1/answers/{answer}").status_code == 204
    assert client.post("/v1/answer", json=body).status_code == 429
