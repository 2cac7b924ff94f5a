"""One service, two owners: whatever the one asks, nothing of the other's comes back or changes."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import httpx2
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from app.rules import PUBLIC_PATHS
from tests.unit.app.house import House
from tests.unit.app.mcp_messages import post_message
from tests.unit.app.owners import OTHER, PROMPT, QUERIES, SECRETS, TEXT, Draw, Town, settle
from tests.unit.app.test_access import routes

Ask = Callable[[TestClient, Draw], httpx2.Response]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    house = House(tmp_path_factory.mktemp("town") / "data")
    owners = {name: settle(house, name, secret) for name, secret in SECRETS.items()}
    yield Town(house, owners)
    house.close()


def _listing(path: str, *names: str) -> Ask:
    def ask(client: TestClient, draw: Draw) -> httpx2.Response:
        values = {
            "collection": draw.collection,
            "cursor": draw.cursor,
            "document_id": draw.document,
        }
        params = {name: values[name]() for name in names}
        return client.get(path, params={key: each for key, each in params.items() if each})

    return ask


def _upload(client: TestClient, draw: Draw) -> httpx2.Response:
    path = f"/v1/collections/{draw.collection()}/documents"
    return client.post(path, files={"file": ("a.md", b"# A\n\nwords")})


def _version(client: TestClient, draw: Draw, suffix: str) -> httpx2.Response:
    params = {"version": draw.one(1, 2, 99)}
    return client.get(f"/v1/documents/{draw.document()}/{suffix}", params=params)


def _call_tool(client: TestClient, draw: Draw) -> httpx2.Response:
    """As a model's host does, in one message."""
    name, arguments = draw.one(
        ("search", {"query": draw.one(*QUERIES), "collections": [draw.collection()]}),
        ("search", {"query": draw.one(*QUERIES), "top_k": 50}),
        ("answer", {"question": draw.one(*QUERIES)}),
        ("read_passage", {"document_id": draw.document()}),
        ("list_documents", {"collection": draw.collection()}),
        ("list_documents", {"cursor": draw.document()}),
    )
    return post_message(client, "tools/call", {"name": name, "arguments": arguments})


# Every route that is not public. What changes things is asked of the other's and of nobody's only.
READS: Final[Mapping[tuple[str, str], Ask]] = {
    ("GET", "/v1/version"): lambda c, _: c.get("/v1/version"),
    ("POST", "/mcp"): _call_tool,
    ("GET", "/metrics"): lambda c, _: c.get("/metrics"),
    ("GET", "/v1/collections"): lambda c, _: c.get("/v1/collections"),
    ("GET", "/v1/collections/{name}"): lambda c, d: c.get(f"/v1/collections/{d.collection()}"),
    ("GET", "/v1/collections/{name}/map"): lambda c, d: c.get(
        f"/v1/collections/{d.collection()}/map", params={"format": d.one("json", "svg")}
    ),
    ("GET", "/v1/collections/{name}/confidence"): lambda c, d: c.get(
        f"/v1/collections/{d.collection()}/confidence"
    ),
    ("GET", "/v1/operations"): lambda c, _: c.get("/v1/operations"),
    ("GET", "/v1/documents"): _listing("/v1/documents", "collection", "cursor"),
    ("GET", "/v1/documents/{document_id}"): lambda c, d: c.get(f"/v1/documents/{d.document()}"),
    ("GET", "/v1/documents/{document_id}/content"): lambda c, d: _version(c, d, "content"),
    ("GET", "/v1/documents/{document_id}/text"): lambda c, d: _version(c, d, "text"),
    ("GET", "/v1/documents/{document_id}/versions"): lambda c, d: c.get(
        f"/v1/documents/{d.document()}/versions"
    ),
    ("GET", "/v1/documents/{document_id}/labels"): lambda c, d: c.get(
        f"/v1/documents/{d.document()}/labels"
    ),
    ("GET", "/v1/jobs"): _listing("/v1/jobs", "collection", "document_id", "cursor"),
    ("GET", "/v1/jobs/{job_id}"): lambda c, d: c.get(f"/v1/jobs/{d.job()}"),
    ("GET", "/v1/jobs/{job_id}/events"): lambda c, d: c.get(f"/v1/jobs/{d.job()}/events"),
    ("POST", "/v1/search"): lambda c, d: c.post(
        "/v1/search",
        json={
            **d.question(),
            "query": d.one(*QUERIES, *SECRETS.values()),
            "mode": d.one("hybrid", "dense", "lexical"),
        },
    ),
    ("GET", "/v1/answers/{answer_id}"): lambda c, d: c.get(f"/v1/answers/{d.answer()}"),
    ("GET", "/v1/answers/{answer_id}/events"): lambda c, d: c.get(
        f"/v1/answers/{d.answer()}/events"
    ),
    ("GET", "/v1/conversations"): lambda c, d: c.get(
        "/v1/conversations", params={"cursor": d.conversation()}
    ),
    ("POST", "/v1/conversations"): lambda c, _: c.post("/v1/conversations"),
    ("GET", "/v1/conversations/{conversation_id}"): lambda c, d: c.get(
        f"/v1/conversations/{d.conversation()}", params={"answer": d.answer()}
    ),
    ("POST", "/v1/evaluations"): lambda c, d: c.post(
        "/v1/evaluations",
        json={
            "collections": [d.collection()],
            **d.one({"from_feedback": True}, {"generate": 1}, {"questions": d.one("", "{}")}),
        },
    ),
    ("GET", "/v1/evaluations"): lambda c, d: c.get(
        "/v1/evaluations", params={"cursor": d.evaluation()}
    ),
    ("GET", "/v1/evaluations/{evaluation_id}"): lambda c, d: c.get(
        f"/v1/evaluations/{d.evaluation()}"
    ),
    ("GET", "/v1/evaluations/{evaluation_id}/report"): lambda c, d: c.get(
        f"/v1/evaluations/{d.evaluation()}/report", params={"format": d.one("json", "html")}
    ),
    ("GET", "/v1/evaluations/{evaluation_id}/questions"): lambda c, d: c.get(
        f"/v1/evaluations/{d.evaluation()}/questions"
    ),
    ("GET", "/v1/evaluations/{evaluation_id}/comparison"): lambda c, d: c.get(
        f"/v1/evaluations/{d.evaluation()}/comparison", params={"before": d.evaluation()}
    ),
    ("POST", "/v1/answer"): lambda c, d: c.post(
        "/v1/answer",
        json={**d.question(), "question": d.one(*QUERIES), "stream": d.one(*(True, False))},
    ),
    ("GET", "/v1/models"): lambda c, _: c.get("/v1/models"),
    ("GET", "/v1/models/{model:path}"): lambda c, d: c.get(f"/v1/models/{d.model()}"),
    ("POST", "/v1/chat/completions"): lambda c, d: c.post(
        "/v1/chat/completions",
        json={
            "model": d.model(),
            "messages": [
                *d.one([], [{"role": "user", "content": "Whose is it?"}, d.said()]),
                {"role": "user", "content": d.one(*QUERIES)},
            ],
            "cimiento": {"filter": d.filter()},
            "stream": d.one(*(True, False)),
        },
    ),
    ("POST", "/v1/responses"): lambda c, d: c.post(
        "/v1/responses",
        json={
            "model": d.model(),
            "input": d.one(*QUERIES),
            "previous_response_id": d.one(None, f"resp_{d.answer()}"),
            "stream": d.one(*(True, False)),
        },
    ),
    ("POST", "/v1/embeddings"): lambda c, d: c.post(
        "/v1/embeddings", json={"model": d.model(), "input": "word"}
    ),
    ("GET", "/v1/prompts"): lambda c, _: c.get("/v1/prompts"),
    ("GET", "/v1/adapters"): lambda c, _: c.get("/v1/adapters"),
    ("GET", "/v1/collections/{name}/adapter"): lambda c, d: c.get(
        f"/v1/collections/{d.collection()}/adapter"
    ),
    ("GET", "/v1/prompts/compare"): lambda c, d: c.get(
        "/v1/prompts/compare", params={"before": d.prompt(), "after": d.prompt()}
    ),
    ("GET", "/v1/prompts/{reference}"): lambda c, d: c.get(
        f"/v1/prompts/{d.prompt()}{d.one('', '@1')}"
    ),
    ("POST", "/v1/prompts/preview"): lambda c, d: c.post(
        "/v1/prompts/preview",
        json={**d.question(), "question": d.one(*QUERIES), "prompt": d.prompt()},
    ),
    ("GET", "/v1/collections/{name}/prompt"): lambda c, d: c.get(
        f"/v1/collections/{d.collection()}/prompt"
    ),
    ("GET", "/v1/examples"): _listing("/v1/examples", "cursor"),
}
CHANGES: Final[Mapping[tuple[str, str], Ask]] = {
    ("POST", "/v1/prompts"): lambda c, d: c.post(
        "/v1/prompts", json={"source": PROMPT.format(secret=d.prompt())}
    ),
    ("PUT", "/v1/collections/{name}/adapter"): lambda c, d: c.put(
        f"/v1/collections/{d.collection()}/adapter", json={"adapter": d.adapter()}
    ),
    ("POST", "/v1/collections/{name}/adapter/rollback"): lambda c, d: c.post(
        f"/v1/collections/{d.collection()}/adapter/rollback"
    ),
    ("PUT", "/v1/collections/{name}/prompt"): lambda c, d: c.put(
        f"/v1/collections/{d.collection()}/prompt", json={"prompt": "direct"}
    ),
    ("POST", "/v1/collections/{name}/prompt/rollback"): lambda c, d: c.post(
        f"/v1/collections/{d.collection()}/prompt/rollback"
    ),
    ("PUT", "/v1/examples/{answer_id}"): lambda c, d: c.put(
        f"/v1/examples/{d.answer()}", json={"state": "approved"}
    ),
    ("POST", "/v1/collections"): lambda c, d: c.post(
        "/v1/collections", json={"name": d.collection()}
    ),
    ("PATCH", "/v1/collections/{name}"): lambda c, d: c.patch(
        f"/v1/collections/{d.collection()}", json={"description": "mine"}
    ),
    ("DELETE", "/v1/collections/{name}"): lambda c, d: c.delete(
        f"/v1/collections/{d.collection()}"
    ),
    ("POST", "/v1/collections/{name}/documents"): _upload,
    ("PUT", "/v1/documents/{document_id}/labels/{name}"): lambda c, d: c.put(
        f"/v1/documents/{d.document()}/labels/topic", json={"label": "mine"}
    ),
    ("DELETE", "/v1/documents/{document_id}/labels/{name}"): lambda c, d: c.delete(
        f"/v1/documents/{d.document()}/labels/topic"
    ),
    ("DELETE", "/v1/documents/{document_id}"): lambda c, d: c.delete(
        f"/v1/documents/{d.document()}"
    ),
    ("DELETE", "/v1/documents/{document_id}/versions/{number}"): lambda c, d: c.delete(
        f"/v1/documents/{d.document()}/versions/1"
    ),
    ("POST", "/v1/answers/{answer_id}/replay"): lambda c, d: c.post(
        f"/v1/answers/{d.answer()}/replay"
    ),
    ("PUT", "/v1/answers/{answer_id}/share"): lambda c, d: c.put(f"/v1/answers/{d.answer()}/share"),
    ("DELETE", "/v1/answers/{answer_id}/share"): lambda c, d: c.delete(
        f"/v1/answers/{d.answer()}/share"
    ),
    ("POST", "/v1/answers/{answer_id}/feedback"): lambda c, d: c.post(
        f"/v1/answers/{d.answer()}/feedback", json={"rating": d.one("up", "down")}
    ),
    ("POST", "/v1/answers/{answer_id}/cancel"): lambda c, d: c.post(
        f"/v1/answers/{d.answer()}/cancel"
    ),
    ("DELETE", "/v1/answers/{answer_id}"): lambda c, d: c.delete(f"/v1/answers/{d.answer()}"),
    ("PATCH", "/v1/conversations/{conversation_id}"): lambda c, d: c.patch(
        f"/v1/conversations/{d.conversation()}", json={"title": "mine"}
    ),
    ("DELETE", "/v1/conversations/{conversation_id}"): lambda c, d: c.delete(
        f"/v1/conversations/{d.conversation()}"
    ),
    ("POST", "/v1/evaluations/{evaluation_id}/cancel"): lambda c, d: c.post(
        f"/v1/evaluations/{d.evaluation()}/cancel"
    ),
    ("DELETE", "/v1/evaluations/{evaluation_id}"): lambda c, d: c.delete(
        f"/v1/evaluations/{d.evaluation()}"
    ),
    ("POST", "/v1/jobs/{job_id}/retry"): lambda c, d: c.post(f"/v1/jobs/{d.job()}/retry"),
    ("DELETE", "/v1/jobs/{job_id}"): lambda c, d: c.delete(f"/v1/jobs/{d.job()}"),
}
# of the caller, of people, of sharing or of webhooks: test_roles has what each may do
_OF_PEOPLE: Final = (
    *("/sign-out", "/v1/me", "/v1/people", "/v1/groups", "/v1/keys", "/v1/audit"),
    "/v1/webhooks",
)


def test_every_route_is_asked(town: Town) -> None:
    there = {each for each in routes(town.house.app) if each[1] not in PUBLIC_PATHS}
    there -= {each for each in there if each[1].startswith(_OF_PEOPLE) or "/access" in each[1]}
    assert READS.keys() | CHANGES.keys() == there, "give the new route a row"


@given(
    caller=st.sampled_from(sorted(SECRETS)), place=st.sampled_from(sorted(READS)), data=st.data()
)
def test_nothing_of_the_others_comes_back(
    town: Town, caller: str, place: tuple[str, str], data: st.DataObject
) -> None:
    draw = Draw(data, town, caller, harmless=True)
    response = READS[place](town.owners[caller].client, draw)
    assert response.status_code < 500
    sent = response.request.content.decode() + str(response.request.url)
    secret = SECRETS[OTHER[caller]]
    assert secret in sent or secret not in response.text


@pytest.fixture(scope="module")
def untouched(town: Town) -> str:
    """All that there is before the one test that asks for this."""
    return town.state()


@given(
    caller=st.sampled_from(sorted(SECRETS)), place=st.sampled_from(sorted(CHANGES)), data=st.data()
)
def test_nothing_of_the_others_changes(
    town: Town, untouched: str, caller: str, place: tuple[str, str], data: st.DataObject
) -> None:
    response = CHANGES[place](town.owners[caller].client, Draw(data, town, caller, harmless=False))
    assert response.status_code in {403, 404}
    assert SECRETS[OTHER[caller]] not in response.text
    assert town.state() == untouched


@pytest.mark.parametrize(
    "kind", ["documents", "jobs", "collections", "answers", "conversations", "evaluations"]
)
@pytest.mark.parametrize("caller", sorted(SECRETS))
def test_what_is_the_others_is_as_if_it_were_not_there(town: Town, caller: str, kind: str) -> None:
    foreign = town.owners[OTHER[caller]]
    names = {
        "documents": foreign.document_ids[0],
        "jobs": foreign.job_ids[0],
        "collections": foreign.name,
        "answers": foreign.answer_id,
        "conversations": foreign.conversation_id,
        "evaluations": foreign.evaluation_id,
    }
    client = town.owners[caller].client
    there = client.get(f"/v1/{kind}/{names[kind]}")
    nowhere = client.get(f"/v1/{kind}/nowhere")
    assert there.status_code == nowhere.status_code == 404
    assert there.text.replace(names[kind], "nowhere") == nowhere.text


def test_one_finds_ones_own(town: Town) -> None:
    for name, owner in town.owners.items():
        found = owner.client.post("/v1/search", json={"query": QUERIES[0], "top_k": 50}).json()
        assert {passage["collection"] for passage in found["passages"]} == {name}
        assert owner.client.get("/v1/collections").json()["items"][0]["name"] == name


def test_a_key_whose_collections_were_deleted_opens_nothing(house: House) -> None:
    house.client.post("/v1/collections", json={"name": "brief"})
    house.add("kept.md", TEXT.format(secret="kept"))
    _, key = house.services.credentials.create_key("one", collections=["brief"])
    client = house.new_client({"Authorization": f"Bearer {key}"})
    assert house.client.delete("/v1/collections/brief").status_code == 200
    assert client.get("/v1/collections").json()["items"] == []
    assert client.post("/v1/search", json={"query": QUERIES[0]}).json()["passages"] == []
