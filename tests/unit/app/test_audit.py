"""The audit log has who did what, before they are told that it is done, and nobody's words."""

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.people.audit import AuditLog, Deed
from app.people.later import LaterWrites
from core.people_tables import AuditRow
from core.tables import now
from tests.unit.app.house import POOL, House

OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def owner(house: House) -> TestClient:
    """The owner's browser."""
    browser = house.sign_in()
    browser.headers.update(OURS)
    return browser


def events(owner: TestClient, **where: str) -> list[dict[str, Any]]:
    """What the log says, the newest first."""
    response = owner.get("/v1/audit", params=where)
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


def test_who_uploaded_read_and_deleted_is_there(house: House, owner: TestClient) -> None:
    document_id = house.add("pool.md", POOL)
    owner.get(f"/v1/documents/{document_id}/content")
    owner.get(f"/v1/documents/{document_id}/text")
    assert {each["document"] for each in events(owner, action="document.")} == {"pool.md"}
    owner.delete(f"/v1/documents/{document_id}")
    found = events(owner, action="document.")
    assert [each["action"] for each in found] == [
        *("document.deleted", "document.read", "document.read", "document.uploaded")
    ]
    assert {each["target"] for each in found} == {document_id}
    assert {each["collection"] for each in found} == {"default"}
    assert "pool.md" not in json.dumps(found)
    assert [each["actor_label"] for each in found] == ["owner"] * 3 + ["tests"]
    assert found[0]["actor"] == f"person:{house.services.doors.people.get('owner').id}"
    assert found[0]["request_id"].startswith("req_")


def test_who_searched_and_asked_is_there_and_not_what(house: House, owner: TestClient) -> None:
    document_id = house.add("pool.md", POOL)
    owner.post("/v1/search", json={"query": "zephyrine pool"})
    body = {"question": "When does the zephyrine pool open?", "min_confidence": 0}
    answer = owner.post("/v1/answer", json=body).json()
    asked, searched, *_ = events(owner)
    assert (searched["action"], searched["details"]["documents"]) == ("search", [document_id])
    assert (asked["action"], asked["target"]) == ("answer.asked", answer["id"])
    assert "zephyrine" not in json.dumps(events(owner))


def test_who_shared_what_with_whom_is_there(house: House, owner: TestClient) -> None:
    owner.post("/v1/people", json={"name": "ana"})
    owner.put("/v1/collections/default/access/people/ana", json={"role": "editor"})
    owner.delete("/v1/collections/default/access/people/ana")
    unshared, shared, invited = events(owner)[:3]
    assert (unshared["action"], unshared["target"]) == ("collection.unshared", "ana")
    assert (shared["action"], shared["details"]["role"]) == ("collection.shared", "editor")
    assert (invited["action"], invited["target"]) == ("person.invited", "ana")


def test_signing_in_is_there_whether_it_went_well_or_not(house: House, owner: TestClient) -> None:
    owner.post("/v1/me/password", json={"new": "correct horse battery"})
    for password in ("wrong and long enough", "correct horse battery"):
        house.stranger.post("/v1/sign-in", json={"name": "owner", "password": password})
    signed_in, failed = events(owner)[:2]
    assert (signed_in["action"], signed_in["details"]["how"]) == ("signed_in", "password")
    assert (failed["action"], failed["actor"]) == ("sign_in.failed", "stranger")
    assert "correct horse" not in json.dumps(events(owner))
    assert "wrong and" not in json.dumps(events(owner))


def test_what_was_refused_is_not_said_to_be_done(house: House, owner: TestClient) -> None:
    before = len(events(owner))
    assert owner.delete("/v1/documents/doc_nowhere").status_code == 404
    assert owner.delete("/v1/collections/default").status_code == 409
    assert (
        owner.patch("/v1/collections/default", json={"language": "no language"}).status_code == 422
    )
    assert house.stranger.delete("/v1/collections/default").status_code == 401
    assert len(events(owner)) == before


def test_an_event_outlives_what_it_is_about(house: House, owner: TestClient) -> None:
    owner.post("/v1/collections", json={"name": "brief"})
    owner.delete("/v1/collections/brief")
    found = events(owner, collection="brief")
    assert [each["action"] for each in found] == ["collection.deleted", "collection.created"]


def test_the_log_is_read_in_pages_and_by_time(house: House, owner: TestClient) -> None:
    log = house.services.doors.audit
    for number in range(130):
        log.record_soon(Deed("document.read", "key:k", target=str(number)))
    first = owner.get("/v1/audit", params={"actor": "key:k"}).json()
    assert len(first["items"]) == 100
    second = owner.get(
        "/v1/audit", params={"actor": "key:k", "cursor": first["next_cursor"]}
    ).json()
    assert second["next_cursor"] is None
    targets = [int(each["target"]) for each in first["items"] + second["items"]]
    assert sorted(targets) == list(range(130))
    later = (now() + timedelta(days=1)).isoformat()
    assert events(owner, since=later) == []
    assert events(owner, until=later)


def test_what_was_read_is_written_without_anybody_asking(house: House) -> None:
    later = LaterWrites(house.services.database, delay_s=0.001)
    AuditLog(house.services.database, later).record_soon(Deed("document.read", "key:k"))
    written = threading.Event()
    later.put("last", lambda _session: written.set())
    assert written.wait(30)
    later.close()
    with house.services.database.read_scope() as session:
        assert session.scalars(select(AuditRow.action)).all() == ["document.read"]


def test_writes_that_fail_are_done_the_next_time(house: House) -> None:
    later = LaterWrites(house.services.database, delay_s=3600)
    broken = [True]

    def write(session: Session) -> None:
        session.execute(text("SELECT nothing" if broken else "SELECT 1"))
        done.append("write")

    done: list[str] = []
    later.put("write", write)
    later.flush()
    assert done == []
    broken.clear()
    later.close()
    assert done == ["write"]


def test_what_comes_after_the_end_is_written_at_once_and_never_again(house: House) -> None:
    later = LaterWrites(house.services.database, delay_s=0.001)
    later.close()
    done: list[str] = []

    def fail(session: Session) -> None:
        done.append("tried")
        session.execute(text("SELECT nothing"))

    later.put("good", lambda _session: done.append("good"))
    later.put("bad", fail)
    assert done == ["good", "tried"]
    assert later._timer is None
