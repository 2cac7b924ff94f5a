"""People sign in with what is theirs, share what they own, and are out when they should be."""

from collections.abc import Callable
from datetime import timedelta
from typing import Literal

import httpx2
import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from app.people.passwords import MAX_CHARS, Passwords
from core.people_tables import PersonRow, SignInLinkRow, WebSessionRow
from core.tables import now
from tests.unit.app.house import CHEAP, POOL, House

GOOD = "correct horse battery"
OTHER = "another long password"
OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def owner(house: House) -> TestClient:
    """The owner's browser."""
    browser = house.sign_in()
    browser.headers.update(OURS)
    return browser


def invite(house: House, owner: TestClient, name: str = "ana", **more: object) -> str:
    """Invite somebody; returns the token of the link."""
    made = owner.post("/v1/people", json={"name": name, **more})
    assert made.status_code == 201, made.text
    link: str = made.json()["link"]
    assert link.startswith(f"{house.services.settings.base_url}/sign-in?token=")
    return link.partition("token=")[2]


def accept(house: House, token: str, password: str | None = GOOD) -> TestClient:
    """Use an invitation up; returns the browser."""
    browser = house.new_client(OURS)
    body = {"token": token, **({"password": password} if password else {})}
    response = browser.post("/v1/sign-in/link", json=body)
    assert response.status_code == 204, response.text
    return browser


def sign_in(house: House, name: str, password: str) -> tuple[int, TestClient]:
    """Try to sign in; returns the status and the browser."""
    browser = house.new_client(OURS)
    response = browser.post("/v1/sign-in", json={"name": name, "password": password})
    return response.status_code, browser


# ---- the first owner, and invitations ------------------------------------------------------


def test_the_first_link_makes_the_owner_and_the_next_one_finds_them(house: House) -> None:
    assert house.services.doors.people.list() == []
    first, second = house.sign_in(), house.sign_in()
    assert first.get("/v1/me").json() == second.get("/v1/me").json()
    (person,) = house.services.doors.people.list()
    assert (person.name, person.is_owner, person.has_password) == ("owner", True, False)
    assert first.get("/v1/me").json()["collections"] is None


def test_conversations_of_a_person_are_there_in_every_browser_of_theirs(house: House) -> None:
    first, second = house.sign_in(), house.sign_in()
    conversation = first.post("/v1/conversations", headers=OURS).json()["id"]
    assert second.get(f"/v1/conversations/{conversation}").status_code == 200


def test_somebody_who_is_invited_chooses_a_password_and_signs_in_with_it(
    house: House, owner: TestClient
) -> None:
    browser = accept(house, invite(house, owner, email="Ana@Example.org"))
    me = browser.get("/v1/me").json()
    assert (me["name"], me["is_owner"], me["email"]) == ("ana", False, "ana@example.org")
    assert me["collections"] == []
    status, again = sign_in(house, " Ana ", GOOD)
    assert (status, again.get("/v1/me").json()["name"]) == (204, "ana")
    assert browser.get("/v1/people").status_code == 403


def test_a_weak_password_leaves_the_invitation_as_it_was(house: House, owner: TestClient) -> None:
    token = invite(house, owner)
    refused = house.stranger.post("/v1/sign-in/link", json={"token": token, "password": "short"})
    assert (refused.status_code, refused.json()["code"]) == (422, "weak_password")
    assert accept(house, token).get("/v1/me").status_code == 200


@pytest.mark.parametrize(
    "password", ["short", "a" * 20, "x" * (MAX_CHARS + 1), "anastasia12345", "ANASTASIA with more"]
)
def test_weak_passwords_are_refused(password: str) -> None:
    with pytest.raises(Exception, match="a password has"):
        Passwords(CHEAP).hash(password, name="anastasia")


def test_an_invitation_is_worthless_after_its_time(house: House, owner: TestClient) -> None:
    token = invite(house, owner)
    with house.services.database.session_scope() as session:
        session.execute(update(SignInLinkRow).values(expires_at=now() - timedelta(seconds=1)))
    body = {"token": token, "password": GOOD}
    response = house.stranger.post("/v1/sign-in/link", json=body)
    assert (response.status_code, response.json()["code"]) == (403, "sign_in_link_invalid")


def test_names_and_addresses_are_given_once(house: House, owner: TestClient) -> None:
    invite(house, owner, "ana", email="ana@example.org")
    for body in ({"name": "ana"}, {"name": "bea", "email": "ANA@example.org"}):
        response = owner.post("/v1/people", json=body)
        assert (response.status_code, response.json()["code"]) == (409, "person_exists")
    # nobody's missing address is anybody's
    invite(house, owner, "bea")
    invite(house, owner, "cleo")


# ---- signing in ----------------------------------------------------------------------------


def test_a_wrong_name_and_a_wrong_password_are_told_the_same(
    house: House, owner: TestClient
) -> None:
    accept(house, invite(house, owner))
    told = [
        house.stranger.post("/v1/sign-in", json={"name": name, "password": password})
        for name, password in (("ana", OTHER), ("nobody", GOOD), ("owner", GOOD))
    ]
    assert {response.status_code for response in told} == {403}
    assert len({response.text for response in told}) == 1
    assert not any("set-cookie" in response.headers for response in told)


def test_a_password_is_checked_even_where_there_is_none() -> None:
    checked: list[str] = []

    class Counting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002
            checked.append(str(hash))
            return super().verify(hash, password)

    passwords = Passwords(Counting(time_cost=1, memory_cost=8, parallelism=1))
    assert not passwords.matches("nobody has this password", None)
    assert passwords.matches(GOOD, passwords.hash(GOOD, name="ana"))
    assert len(checked) == 2
    assert all(each.startswith("$argon2id$") for each in checked)


def test_a_password_is_stored_as_argon2id_and_in_no_other_place(
    house: House, owner: TestClient
) -> None:
    accept(house, invite(house, owner))
    with house.services.database.read_scope() as session:
        stored = session.scalar(select(PersonRow.password_hash).where(PersonRow.name == "ana"))
    assert (stored or "").startswith("$argon2id$")
    house.services.doors.later.flush()
    for file in house.services.settings.data_dir.rglob("*"):
        assert not file.is_file() or GOOD.encode() not in file.read_bytes(), file


def test_after_many_wrong_passwords_the_right_one_has_to_wait(
    house: House, owner: TestClient
) -> None:
    accept(house, invite(house, owner))
    statuses = [sign_in(house, "ana", f"{OTHER} {n}")[0] for n in range(12)]
    assert statuses == [403] * 10 + [429] * 2
    response = house.stranger.post("/v1/sign-in", json={"name": "ana", "password": GOOD})
    assert (response.status_code, response.json()["code"]) == (429, "rate_limited")
    assert 0 < int(response.headers["retry-after"]) <= 300
    # somebody else is not kept out
    assert accept(house, invite(house, owner, "bea")).get("/v1/me").status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 204),
        (OURS, 204),
        ({"Origin": "http://127.0.0.1:8420"}, 204),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_another_site_cannot_sign_its_visitors_in(
    house: House, owner: TestClient, headers: dict[str, str], status: int
) -> None:
    accept(house, invite(house, owner))
    body = {"name": "ana", "password": GOOD}
    assert house.stranger.post("/v1/sign-in", json=body, headers=headers).status_code == status
    link = {"token": invite(house, owner, "bea")}
    assert house.stranger.post("/v1/sign-in/link", json=link, headers=headers).status_code == status


# ---- passwords and sessions ----------------------------------------------------------------


def test_changing_a_password_signs_every_other_browser_out(house: House, owner: TestClient) -> None:
    here = accept(house, invite(house, owner))
    _, there = sign_in(house, "ana", GOOD)
    reset = owner.post("/v1/people/ana/link").json()["link"]
    wrong = here.post("/v1/me/password", json={"current": OTHER, "new": OTHER})
    assert (wrong.status_code, wrong.json()["code"]) == (403, "wrong_password")
    body = {"current": GOOD, "new": OTHER}
    assert here.post("/v1/me/password", json=body).status_code == 204
    assert here.get("/v1/me").status_code == 200
    assert there.get("/v1/me").status_code == 401
    assert sign_in(house, "ana", GOOD)[0] == 403
    assert sign_in(house, "ana", OTHER)[0] == 204
    assert house.stranger.post("/v1/sign-in/link", json={"token": reset}).status_code == 403


def test_whoever_has_no_password_yet_chooses_one_in_a_session(
    house: House, owner: TestClient
) -> None:
    assert owner.post("/v1/me/password", json={"new": GOOD}).status_code == 204
    assert sign_in(house, "owner", GOOD)[0] == 204


def test_signing_out_everywhere_ends_every_session_and_no_one_elses(
    house: House, owner: TestClient
) -> None:
    here = accept(house, invite(house, owner))
    _, there = sign_in(house, "ana", GOOD)
    listed = here.get("/v1/me/sessions").json()["items"]
    assert sorted(each["current"] for each in listed) == [False, True]
    response = here.delete("/v1/me/sessions")
    assert response.status_code == 204
    assert 'cimiento_session=""' in response.headers["set-cookie"]
    for browser in (here, there):
        assert browser.get("/v1/me").status_code == 401
    assert owner.get("/v1/me").status_code == 200


def test_a_session_chosen_by_somebody_else_is_never_taken_over(
    house: House, owner: TestClient
) -> None:
    accept(house, invite(house, owner))
    browser = house.new_client({**OURS, "Cookie": "cimiento_session=chosen"})
    response = browser.post("/v1/sign-in", json={"name": "ana", "password": GOOD})
    assert "cimiento_session=chosen" not in response.headers["set-cookie"]
    assert browser.get("/v1/me").status_code == 401


def test_whoever_is_disabled_is_out_with_their_keys_and_in_again_when_enabled(
    house: House, owner: TestClient
) -> None:
    browser = accept(house, invite(house, owner))
    key = browser.post("/v1/keys", json={"name": "mine"}).json()["key"]
    client = house.new_client({"Authorization": f"Bearer {key}"})
    assert client.get("/v1/me").status_code == 200
    assert owner.patch("/v1/people/ana", json={"is_disabled": True}).status_code == 200
    assert [each.get("/v1/me").status_code for each in (browser, client)] == [401, 401]
    assert sign_in(house, "ana", GOOD)[0] == 403
    link = owner.post("/v1/people/ana/link").json()["link"]
    assert house.stranger.post("/v1/sign-in/link", json={"token": link}).status_code == 403
    owner.patch("/v1/people/ana", json={"is_disabled": False})
    assert client.get("/v1/me").status_code == 200
    assert browser.get("/v1/me").status_code == 401


def test_a_person_who_is_deleted_leaves_nothing_of_theirs(house: House, owner: TestClient) -> None:
    browser = accept(house, invite(house, owner))
    browser.post("/v1/conversations", json={"title": "quillonade"})
    key = browser.post("/v1/keys", json={"name": "mine"}).json()["key"]
    assert owner.delete("/v1/people/ana").status_code == 204
    assert browser.get("/v1/me").status_code == 401
    client = house.new_client({"Authorization": f"Bearer {key}"})
    assert client.get("/v1/me").status_code == 401
    assert "quillonade" not in owner.get("/v1/conversations").text
    with house.services.database.read_scope() as session:
        owners = set(session.scalars(select(WebSessionRow.person_id)))
    assert len(owners) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda owner: owner.patch("/v1/people/owner", json={"is_owner": False}),
        lambda owner: owner.patch("/v1/people/owner", json={"is_disabled": True}),
        lambda owner: owner.delete("/v1/people/owner"),
    ],
    ids=["demoted", "disabled", "deleted"],
)
def test_the_last_owner_stays(
    house: House, owner: TestClient, change: Callable[[TestClient], httpx2.Response]
) -> None:
    response = change(owner)
    assert response.status_code == 409
    assert response.json()["code"] == "last_owner"
    token = invite(house, owner, "bea", is_owner=True)
    accept(house, token)
    assert change(owner).status_code in {200, 204}


# ---- groups and sharing --------------------------------------------------------------------


def test_what_is_shared_counts_from_the_next_request_and_ends_so(
    house: House, owner: TestClient
) -> None:
    house.add("pool.md", POOL)
    ana = accept(house, invite(house, owner))
    grant = "/v1/collections/default/access/people/ana"

    def found() -> list[object]:
        response = ana.post("/v1/search", json={"query": "pool"})
        passages: list[object] = response.json()["passages"]
        return passages

    assert found() == []
    assert owner.put(grant, json={"role": "reader"}).status_code == 204
    assert found()
    assert ana.get("/v1/me").json()["collections"] == [{"name": "default", "role": "reader"}]
    assert owner.delete(grant).status_code == 204
    assert found() == []


def test_the_most_that_any_grant_gives_is_what_counts(house: House, owner: TestClient) -> None:
    ana = accept(house, invite(house, owner))
    owner.post("/v1/groups", json={"name": "writers"})
    owner.put("/v1/groups/writers/members/ana")
    owner.put("/v1/collections/default/access/people/ana", json={"role": "reader"})
    owner.put("/v1/collections/default/access/groups/writers", json={"role": "editor"})

    def upload() -> int:
        files = {"file": ("a.md", b"# A\n\nwords")}
        return ana.post("/v1/collections/default/documents", files=files).status_code

    assert upload() == 202
    listed = owner.get("/v1/collections/default/access").json()["items"]
    assert [(each["kind"], each["name"], each["role"]) for each in listed] == [
        ("person", "ana", "reader"),
        ("group", "writers", "editor"),
    ]
    owner.delete("/v1/groups/writers/members/ana")
    assert upload() == 403
    owner.put("/v1/groups/writers/members/ana")
    owner.delete("/v1/groups/writers")
    assert upload() == 403


def test_a_role_takes_the_place_of_the_one_before(house: House, owner: TestClient) -> None:
    invite(house, owner)
    for role in ("reader", "owner", "editor"):
        owner.put("/v1/collections/default/access/people/ana", json={"role": role})
    (grant,) = owner.get("/v1/collections/default/access").json()["items"]
    assert grant["role"] == "editor"


def test_an_answer_is_hidden_from_its_asker_once_its_collection_is_no_longer_shared(
    house: House, owner: TestClient
) -> None:
    house.add("pool.md", POOL)
    ana = accept(house, invite(house, owner))
    grant = "/v1/collections/default/access/people/ana"
    owner.put(grant, json={"role": "reader"})
    body = {"question": "When does the pool open?", "min_confidence": 0}
    answer = ana.post("/v1/answer", json=body).json()
    assert answer["citations"]
    owner.delete(grant)
    assert ana.get(f"/v1/answers/{answer['id']}").status_code == 404
