"""Every route, asked by everybody about everything: exactly what each may do, and no more.

A row says in words of its own what a route asks of its caller; it is not read from `app.rules`.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import httpx2
import pytest
from fastapi.testclient import TestClient

from app.rules import PUBLIC_PATHS, RULES
from core.access import Role, Scope
from tests.unit.app.house import House
from tests.unit.app.mcp_messages import HELLO, post_message
from tests.unit.app.owners import PROMPT
from tests.unit.app.rows import Row, delete, fill, get, post
from tests.unit.app.test_access import routes
from tests.unit.app.town import CALLERS, QUESTIONS, STANDINGS, Kind, Things, Town

Place = tuple[str, str]
READER, EDITOR, OWNER = Role.READER, Role.EDITOR, Role.OWNER


def _share(client: TestClient, path: str) -> httpx2.Response:
    return client.put(path, json={"role": "reader"})


def _upload(client: TestClient, things: Things) -> httpx2.Response:
    path = f"/v1/collections/{things.collection}/documents"
    return client.post(path, files={"file": (f"{things.new}.md", b"# A\n\nwords")})


COLLECTION: Final = "/v1/collections/{t.collection}"
DOCUMENT: Final = "/v1/documents/{t.document}"
PERSON: Final = "/v1/people/{t.person}"
MEMBER: Final = "/v1/groups/{t.group}/members/{t.person}"
READ, ASK, WRITE, MANAGE, PEOPLE, METRICS = Scope
DELETE_COLLECTION: Final = ("DELETE", "/v1/collections/{name}")
NEW: Final = {"name": "{t.new}"}
ABOUT: Final = {"collections": ["{t.collection}"]}
MODEL: Final = "cimiento/{t.collection}"

# About collections and what is in them: asked about every standing.
OF_COLLECTIONS: Final[Mapping[Place, Row]] = {
    ("GET", "/v1/collections/{name}"): get(COLLECTION, READ, role=READER),
    ("GET", "/v1/collections/{name}/map"): get(COLLECTION + "/map", READ, role=READER),
    ("GET", "/v1/collections/{name}/confidence"): get(
        COLLECTION + "/confidence", READ, role=READER
    ),
    ("PATCH", "/v1/collections/{name}"): Row(
        lambda c, t: c.patch(fill(COLLECTION, t), json={"description": "x"}), MANAGE, OWNER
    ),
    ("DELETE", "/v1/collections/{name}"): delete(COLLECTION, MANAGE, role=OWNER, allowed=200),
    ("GET", "/v1/collections/{name}/access"): get(COLLECTION + "/access", MANAGE, role=OWNER),
    ("PUT", "/v1/collections/{name}/access/people/{person}"): Row(
        lambda c, t: _share(c, fill(COLLECTION + "/access/people/{t.person}", t)),
        *(MANAGE, OWNER),
        allowed=(204,),
    ),
    ("DELETE", "/v1/collections/{name}/access/people/{person}"): delete(
        COLLECTION + "/access/people/{t.person}", MANAGE, role=OWNER
    ),
    ("PUT", "/v1/collections/{name}/access/groups/{group}"): Row(
        lambda c, t: _share(c, fill(COLLECTION + "/access/groups/{t.group}", t)),
        *(MANAGE, OWNER),
        allowed=(204,),
    ),
    ("DELETE", "/v1/collections/{name}/access/groups/{group}"): delete(
        COLLECTION + "/access/groups/{t.group}", MANAGE, role=OWNER
    ),
    ("POST", "/v1/collections/{name}/documents"): Row(_upload, WRITE, EDITOR, allowed=(202,)),
    ("GET", "/v1/documents"): get("/v1/documents?collection={t.collection}", READ, role=READER),
    ("GET", "/v1/documents/{document_id}"): get(DOCUMENT, READ, role=READER),
    ("GET", "/v1/documents/{document_id}/versions"): get(DOCUMENT + "/versions", READ, role=READER),
    ("GET", "/v1/documents/{document_id}/content"): get(DOCUMENT + "/content", READ, role=READER),
    ("GET", "/v1/documents/{document_id}/text"): get(DOCUMENT + "/text", READ, role=READER),
    ("DELETE", "/v1/documents/{document_id}"): delete(
        DOCUMENT, WRITE, role=EDITOR, allowed=200, destroys=True
    ),
    ("DELETE", "/v1/documents/{document_id}/versions/{number}"): delete(
        DOCUMENT + "/versions/1", WRITE, role=EDITOR, allowed=200, destroys=True
    ),
    ("GET", "/v1/documents/{document_id}/labels"): get(DOCUMENT + "/labels", READ, role=READER),
    ("PUT", "/v1/documents/{document_id}/labels/{name}"): Row(
        lambda c, t: c.put(fill(DOCUMENT + "/labels/topic", t), json={"label": "invoices"}),
        *(WRITE, EDITOR),
    ),
    ("DELETE", "/v1/documents/{document_id}/labels/{name}"): delete(
        DOCUMENT + "/labels/topic", WRITE, role=EDITOR, allowed=200
    ),
    ("GET", "/v1/jobs"): get("/v1/jobs?collection={t.collection}", READ, role=READER),
    ("GET", "/v1/jobs/{job_id}"): get("/v1/jobs/{t.job}", READ, role=READER),
    # it has come to its end: what follows it ends at once, what cancels it comes too late
    ("DELETE", "/v1/jobs/{job_id}"): delete("/v1/jobs/{t.job}", WRITE, role=EDITOR, allowed=409),
    ("POST", "/v1/jobs/{job_id}/retry"): post(
        "/v1/jobs/{t.job}/retry", WRITE, role=EDITOR, destroys=True
    ),
    ("GET", "/v1/jobs/{job_id}/events"): get("/v1/jobs/{t.job}/events", READ, role=READER),
    ("GET", "/v1/collections/{name}/prompt"): get(COLLECTION + "/prompt", READ, role=READER),
    ("PUT", "/v1/collections/{name}/prompt"): Row(
        lambda c, t: c.put(fill(COLLECTION + "/prompt", t), json={"prompt": "direct"}),
        *(MANAGE, OWNER),
    ),
    # where nothing was active before there is nothing to go back to
    ("POST", "/v1/collections/{name}/prompt/rollback"): post(
        COLLECTION + "/prompt/rollback", MANAGE, role=OWNER, allowed=(200, 409)
    ),
    ("GET", "/v1/collections/{name}/adapter"): get(COLLECTION + "/adapter", READ, role=READER),
    ("PUT", "/v1/collections/{name}/adapter"): Row(
        lambda c, t: c.put(fill(COLLECTION + "/adapter", t), json={"adapter": None}),
        *(MANAGE, OWNER),
    ),
    ("POST", "/v1/collections/{name}/adapter/rollback"): post(
        COLLECTION + "/adapter/rollback", MANAGE, role=OWNER, allowed=(200, 409)
    ),
    ("POST", "/v1/prompts/preview"): post(
        "/v1/prompts/preview", READ, {"question": "When?", **ABOUT}, role=READER
    ),
    ("POST", "/v1/search"): post("/v1/search", READ, {"query": "pool", **ABOUT}, role=READER),
    ("POST", "/v1/answer"): post("/v1/answer", ASK, {"question": "When?", **ABOUT}, role=READER),
    ("GET", "/v1/models/{model:path}"): get(f"/v1/models/{MODEL}", READ, role=READER),
    ("POST", "/v1/chat/completions"): post(
        "/v1/chat/completions",
        *(ASK, {"model": MODEL, "messages": [{"role": "user", "content": "When?"}]}),
        role=READER,
    ),
    ("POST", "/v1/responses"): post(
        "/v1/responses", ASK, {"model": MODEL, "input": "When?"}, role=READER
    ),
}
# About what somebody asked: their own, and somebody else's, which is as if it were not there.
OF_ASKERS: Final[Mapping[Place, Row]] = {
    ("GET", "/v1/answers/{answer_id}"): get("/v1/answers/{t.answer}", ASK),
    ("GET", "/v1/answers/{answer_id}/events"): get("/v1/answers/{t.answer}/events", ASK),
    # it has come to its end
    ("POST", "/v1/answers/{answer_id}/cancel"): post(
        "/v1/answers/{t.answer}/cancel", ASK, allowed=(409,)
    ),
    ("POST", "/v1/answers/{answer_id}/feedback"): post(
        "/v1/answers/{t.answer}/feedback", ASK, {"rating": "up"}
    ),
    ("POST", "/v1/answers/{answer_id}/replay"): post("/v1/answers/{t.answer}/replay", ASK),
    ("PUT", "/v1/answers/{answer_id}/share"): Row(
        lambda c, t: c.put(fill("/v1/answers/{t.answer}/share", t)), ASK, allowed=(204,)
    ),
    ("DELETE", "/v1/answers/{answer_id}/share"): delete("/v1/answers/{t.answer}/share", ASK),
    ("DELETE", "/v1/answers/{answer_id}"): delete("/v1/answers/{t.answer}", ASK),
    ("GET", "/v1/evaluations/{evaluation_id}"): get("/v1/evaluations/{t.evaluation}", ASK),
    ("GET", "/v1/evaluations/{evaluation_id}/questions"): get(
        "/v1/evaluations/{t.evaluation}/questions", ASK
    ),
    # it waits for its turn: there is no report yet
    ("GET", "/v1/evaluations/{evaluation_id}/report"): get(
        "/v1/evaluations/{t.evaluation}/report", ASK, allowed=(409,)
    ),
    ("GET", "/v1/evaluations/{evaluation_id}/comparison"): get(
        "/v1/evaluations/{t.evaluation}/comparison?before={t.evaluation}", ASK, allowed=(409,)
    ),
    ("POST", "/v1/evaluations/{evaluation_id}/cancel"): post(
        "/v1/evaluations/{t.evaluation}/cancel", ASK
    ),
    ("DELETE", "/v1/evaluations/{evaluation_id}"): delete("/v1/evaluations/{t.evaluation}", ASK),
    ("GET", "/v1/conversations/{conversation_id}"): get("/v1/conversations/{t.conversation}", ASK),
    ("PATCH", "/v1/conversations/{conversation_id}"): Row(
        lambda c, t: c.patch(f"/v1/conversations/{t.conversation}", json={"title": "x"}), ASK
    ),
    ("DELETE", "/v1/conversations/{conversation_id}"): delete(
        "/v1/conversations/{t.conversation}", ASK
    ),
}

# About nothing of anybody's: the caller alone decides.
OF_NOTHING: Final[Mapping[Place, Row]] = {
    ("GET", "/v1/version"): get("/v1/version", None),
    # a message that asks for nothing yet: whoever has a key may say hello
    ("POST", "/mcp"): Row(lambda c, _: post_message(c, "initialize", HELLO), None),
    ("GET", "/metrics"): get("/metrics", METRICS, everything=True),
    ("GET", "/v1/operations"): get("/v1/operations", MANAGE, everything=True),
    ("GET", "/v1/collections"): get("/v1/collections", READ),
    ("POST", "/v1/collections"): post(
        "/v1/collections", MANAGE, NEW, everything=True, allowed=(201,)
    ),
    ("GET", "/v1/models"): get("/v1/models", READ),
    ("POST", "/v1/embeddings"): post(
        "/v1/embeddings", ASK, {"model": "fake-embedder", "input": "When?"}
    ),
    ("GET", "/v1/prompts"): get("/v1/prompts", READ),
    ("GET", "/v1/adapters"): get("/v1/adapters", READ),
    ("GET", "/v1/prompts/compare"): get("/v1/prompts/compare?before=direct&after=few_shot", READ),
    ("GET", "/v1/prompts/{reference}"): get("/v1/prompts/direct", READ),
    ("POST", "/v1/prompts"): Row(
        lambda c, t: c.post("/v1/prompts", json={"source": PROMPT.format(secret=t.new)}),
        MANAGE,
        everything=True,
        allowed=(201,),
    ),
    ("GET", "/v1/examples"): get("/v1/examples", MANAGE, everything=True),
    # whoever may decide is told that there is no such example
    ("PUT", "/v1/examples/{answer_id}"): Row(
        lambda c, _: c.put("/v1/examples/ans_none", json={"state": "approved"}),
        MANAGE,
        everything=True,
        allowed=(404,),
    ),
    ("GET", "/v1/evaluations"): get("/v1/evaluations", ASK),
    ("POST", "/v1/evaluations"): post(
        "/v1/evaluations", ASK, {"questions": QUESTIONS}, allowed=(202,)
    ),
    ("GET", "/v1/conversations"): get("/v1/conversations", ASK),
    ("POST", "/v1/conversations"): post("/v1/conversations", ASK, allowed=(201,)),
    ("GET", "/v1/me"): get("/v1/me", None),
    ("PATCH", "/v1/me"): Row(
        lambda c, _: c.patch("/v1/me", json={"display_name": "x"}), None, by_hand=True
    ),
    ("POST", "/v1/me/password"): post(
        "/v1/me/password",
        *(None, {"new": "correct horse battery", "current": "correct horse battery"}),
        by_hand=True,
        allowed=(204,),
    ),
    ("GET", "/v1/me/sessions"): get("/v1/me/sessions", None, by_hand=True),
    ("DELETE", "/v1/me/sessions"): delete("/v1/me/sessions", None, by_hand=True),
    ("POST", "/sign-out"): post("/sign-out", None, by_hand=True, allowed=(204,)),
    ("GET", "/v1/keys"): get("/v1/keys", PEOPLE),
    ("POST", "/v1/keys"): post("/v1/keys", None, NEW, by_hand=True, allowed=(201,)),
    ("DELETE", "/v1/keys/{key_id}"): Row(
        # of a service
        lambda c, t: c.delete(f"/v1/keys/{t.key}"),
        PEOPLE,
        allowed=(204,),
        hides=True,
    ),
    ("GET", "/v1/people"): get("/v1/people", PEOPLE, everything=True),
    ("POST", "/v1/people"): post("/v1/people", PEOPLE, NEW, everything=True, allowed=(201,)),
    ("GET", "/v1/people/{person}"): get(PERSON, PEOPLE, everything=True),
    ("PATCH", "/v1/people/{person}"): Row(
        lambda c, t: c.patch(fill(PERSON, t), json={"display_name": "x"}),
        PEOPLE,
        everything=True,
    ),
    ("DELETE", "/v1/people/{person}"): delete(PERSON, PEOPLE, everything=True),
    ("POST", "/v1/people/{person}/link"): post(PERSON + "/link", PEOPLE, everything=True),
    ("DELETE", "/v1/people/{person}/sessions"): delete(
        PERSON + "/sessions", PEOPLE, everything=True
    ),
    ("GET", "/v1/groups"): get("/v1/groups", PEOPLE, everything=True),
    ("POST", "/v1/groups"): post("/v1/groups", PEOPLE, NEW, everything=True, allowed=(201,)),
    ("DELETE", "/v1/groups/{group}"): delete("/v1/groups/{t.group}", PEOPLE, everything=True),
    ("PUT", "/v1/groups/{group}/members/{person}"): Row(
        lambda c, t: c.put(fill(MEMBER, t)), PEOPLE, everything=True, allowed=(204,)
    ),
    ("DELETE", "/v1/groups/{group}/members/{person}"): delete(MEMBER, PEOPLE, everything=True),
    ("GET", "/v1/audit"): get("/v1/audit", PEOPLE, everything=True),
}
# About a webhook, which only owners of everything see.
_HOOK: Final = "/v1/webhooks/whk_none"


def _of_hook(method: str, path: str = "") -> Row:
    """Whoever may is told that there is no such webhook."""
    asked = _HOOK + path.format(message_id="msg_none")
    return Row(
        lambda c, _: c.request(method, asked, json={"is_enabled": False}),
        MANAGE,
        everything=True,
        allowed=(404,),
    )


OF_WEBHOOKS: Final[Mapping[Place, Row]] = {
    ("GET", "/v1/webhooks"): get("/v1/webhooks", MANAGE, everything=True),
    ("POST", "/v1/webhooks"): post(
        "/v1/webhooks",
        *(MANAGE, {"url": "https://hooks.example.org/"}),
        everything=True,
        allowed=(201,),
    ),
    **{
        (method, f"/v1/webhooks/{{webhook_id}}{path}"): _of_hook(method, path)
        for method, path in (
            ("GET", ""),
            ("PATCH", ""),
            ("DELETE", ""),
            ("POST", "/ping"),
            ("GET", "/deliveries"),
            ("POST", "/deliveries/{message_id}/resend"),
        )
    },
}
ROWS: Final = {**OF_COLLECTIONS, **OF_ASKERS, **OF_NOTHING, **OF_WEBHOOKS}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    house = House(tmp_path_factory.mktemp("roles") / "data")
    town = Town(house)
    town.build()
    yield town
    house.close()


def _refusal(row: Row, kind: Kind) -> int | None:
    """What a caller is told whatever the request is about; None where that decides."""
    if kind.is_stranger:
        return 401
    if row.by_hand and not kind.is_person:
        return 403
    if row.scope is not None and row.scope not in kind.scopes:
        return 403
    if row.everything and kind.roles is not None:
        return 403
    return None


def _expected(row: Row, kind: Kind, standing: str) -> tuple[int, ...]:
    if (refused := _refusal(row, kind)) is not None:
        return (refused,)
    if row.hides and kind.roles is not None:
        return (404,)
    if row.role is None or kind.roles is None:
        return row.allowed
    role = kind.roles.get(standing)
    if role is None:
        return (404,)
    return row.allowed if role.includes(row.role) else (403,)


def test_every_route_has_a_row(town: Town) -> None:
    there = {place for place in routes(town.house.app) if place[1] not in PUBLIC_PATHS}
    assert ROWS.keys() == {place for place in there if place[0] != "HEAD"}, "give it a row"
    assert RULES.keys() == ROWS.keys(), "give it a rule"


@pytest.mark.parametrize("place", OF_COLLECTIONS, ids=lambda place: " ".join(place))
@pytest.mark.parametrize("standing", STANDINGS)
def test_a_collection_is_open_to_whom_it_is_shared_with(
    town: Town, place: Place, standing: str
) -> None:
    row = ROWS[place]
    for caller, kind in CALLERS.items():
        if standing != "owned" and not kind.roles:
            continue  # who owns everything, or nothing, does so everywhere
        expected = _expected(row, kind, standing)
        response = row.ask(town.client(caller), town.things(standing, fresh=row.destroys))
        assert response.status_code in expected, (caller, response.text)
        if place == DELETE_COLLECTION and response.status_code in row.allowed:
            town.settle(standing)


@pytest.mark.parametrize("place", OF_ASKERS, ids=lambda place: " ".join(place))
def test_what_was_asked_is_the_askers_alone(town: Town, place: Place) -> None:
    row = ROWS[place]
    somebodys = town.asked("a key")
    for caller, kind in CALLERS.items():
        refused = _refusal(row, kind)
        others = row.ask(town.client(caller), somebodys) if caller != "a key" else None
        if others is not None:
            assert others.status_code == (refused or 404), (caller, others.text)
        if refused is None and caller in ("root", "ana", "a key to ask"):
            response = row.ask(town.client(caller), town.asked(caller))
            assert response.status_code in row.allowed, (caller, response.text)


@pytest.mark.parametrize("place", [*OF_NOTHING, *OF_WEBHOOKS], ids=lambda place: " ".join(place))
def test_the_rest_asks_who_calls_alone(town: Town, place: Place) -> None:
    row = ROWS[place]
    for caller, kind in CALLERS.items():
        response = row.ask(town.client(caller), town.things_of_people())
        assert response.status_code in _expected(row, kind, "owned"), (caller, response.text)
