"""One service, two owners: whatever the one asks, nothing of the other's comes back or changes."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import httpx2
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from app.rules import PUBLIC_PATHS
from tests.unit.app.house import House
from tests.unit.app.test_access import routes

# said in the documents of each owner, in their names and in what describes the collection
SECRETS: Final = MappingProxyType({"north": "zephyrine", "south": "quillonade"})
OTHER: Final = MappingProxyType({"north": "south", "south": "north"})
_TEXT: Final = (
    "The {secret} pool opens at nine in the morning and closes at eight in the evening.\n\n"
    "Dogs are not allowed inside the {secret} area. Visitors bring their own towels."
)
# a template of each owner's, active in their collection
PROMPT: Final = (
    "name: {secret}\nen:\n  system: About the {secret} pool.\n  passage: '{{text}}'\n"
    "  user: '{{passages}} {{question}}'\n"
)
# queries that both libraries answer best, and what must not be taken as syntax
QUERIES: Final = ("When does the pool open?", 'dogs OR "towels"', "*", "text:pool", "' OR 1=1 --")


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds a key for one collection, and all that names something in it."""

    name: str
    client: TestClient
    document_ids: tuple[str, ...]
    job_ids: tuple[str, ...]
    answer_id: str
    conversation_id: str
    evaluation_id: str


@dataclass(frozen=True, slots=True)
class Town:
    """The service and its owners; `ids` of everybody's things, and of nothing."""

    house: House
    owners: Mapping[str, Owner]

    def state(self) -> str:
        """All that there is, as who sees everything sees it."""
        client = self.house.client
        paths = ["/v1/collections", "/v1/documents", "/v1/jobs", "/v1/prompts", "/v1/examples"]
        paths += [f"/v1/collections/{name}/prompt" for name in self.owners]
        answers = [
            owner.client.get(path).json()
            for owner in self.owners.values()
            for path in (
                f"/v1/answers/{owner.answer_id}",
                f"/v1/conversations/{owner.conversation_id}",
                f"/v1/evaluations/{owner.evaluation_id}/report",
            )
        ]
        return json.dumps([*answers, *(client.get(path).json() for path in paths)])


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    house = House(tmp_path_factory.mktemp("town") / "data")
    owners = {name: settle(house, name, secret) for name, secret in SECRETS.items()}
    yield Town(house, owners)
    house.close()


def settle(house: House, name: str, secret: str) -> Owner:
    house.client.post("/v1/collections", json={"name": name, "description": f"about {secret}"})
    document_ids = [house.add(f"{secret}.md", _TEXT.format(secret=secret), name)]
    document_ids.append(house.add(f"broken-{secret}.pdf", b"%PDF-1.7 broken", name))
    jobs = house.client.get("/v1/jobs", params={"collection": name}).json()["items"]
    house.client.post("/v1/prompts", json={"source": PROMPT.format(secret=secret)})
    house.client.put(f"/v1/collections/{name}/prompt", json={"prompt": secret})
    _, key = house.services.credentials.create_key(name, collections=[name])
    client = house.new_client({"Authorization": f"Bearer {key}"})
    conversation_id = client.post("/v1/conversations", json={"title": secret}).json()["id"]
    body = {"question": QUERIES[0], "min_confidence": 0, "conversation_id": conversation_id}
    asked = client.post("/v1/answer", json=body)
    questions = json.dumps({"question": QUERIES[0], "answers": ["nine"], "gold_quote": secret})
    started = client.post("/v1/evaluations", json={"questions": questions, "name": secret})
    house.evaluate()
    client.post(f"/v1/answers/{asked.json()['id']}/feedback", json={"rating": "up"})
    return Owner(
        name,
        client,
        tuple(document_ids),
        tuple(job["id"] for job in jobs),
        asked.json()["id"],
        conversation_id,
        started.json()["id"],
    )


class Draw:
    """Draws what a caller sends: names and ids of the other owner, of nobody, and its own."""

    def __init__(self, data: st.DataObject, town: Town, caller: str, *, harmless: bool) -> None:
        self._data = data
        self._own = town.owners[caller]
        self._foreign = town.owners[OTHER[caller]]
        self._harmless = harmless  # what changes things is not asked of one's own

    def one(self, *choices: Any) -> Any:
        return self._data.draw(st.sampled_from(choices))

    def collection(self) -> str:
        return str(self.one(self._foreign.name, "nobodys", *([self._own.name] * self._harmless)))

    def document(self) -> str:
        own = self._own.document_ids if self._harmless else ()
        return str(self.one(*self._foreign.document_ids, self._guess("doc"), *own))

    def job(self) -> str:
        own = self._own.job_ids if self._harmless else ()
        return str(self.one(*self._foreign.job_ids, self._guess("ver"), *own))

    def answer(self) -> str:
        own = (self._own.answer_id,) if self._harmless else ()
        return str(self.one(self._foreign.answer_id, self._guess("ans"), *own))

    def conversation(self) -> str:
        own = (self._own.conversation_id,) if self._harmless else ()
        return str(self.one(self._foreign.conversation_id, self._guess("cnv"), *own))

    def evaluation(self) -> str:
        own = (self._own.evaluation_id,) if self._harmless else ()
        return str(self.one(self._foreign.evaluation_id, self._guess("evl"), *own))

    def prompt(self) -> str:
        own = (SECRETS[self._own.name],) if self._harmless else ()
        return str(self.one(SECRETS[self._foreign.name], "direct", "nobodys", *own))

    def cursor(self) -> str | None:
        return self.one(None, self.document(), self.job(), "", "0", "zzzz")  # type: ignore[no-any-return]

    def filter(self) -> dict[str, Any] | None:
        return self.one(  # type: ignore[no-any-return]
            None,
            {"collection": {"eq": self._foreign.name}},
            {"document_id": {"in": list(self._foreign.document_ids)}},
            {"not": {"collection": {"eq": self._own.name}}},
            {"or": [{"collection": {"eq": self._foreign.name}}, {"version": {"gt": 0}}]},
        )

    def question(self) -> dict[str, Any]:
        body = {"collections": self.one(None, [self.collection()], [self.collection()])}
        body |= {"filter": self.filter(), "top_k": self.one(1, 50)}
        return {key: value for key, value in body.items() if value is not None}

    def _guess(self, prefix: str) -> str:
        near = self._foreign.document_ids[0].partition("_")[2]
        return f"{prefix}_{near[:-1]}{self.one('0', '1', 'z')}"


Ask = Callable[[TestClient, Draw], httpx2.Response]


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


# Every route that is not public. What changes things is asked of the other's and of nobody's only.
READS: Final[Mapping[tuple[str, str], Ask]] = {
    ("GET", "/v1/version"): lambda c, _: c.get("/v1/version"),
    ("GET", "/v1/collections"): lambda c, _: c.get("/v1/collections"),
    ("GET", "/v1/collections/{name}"): lambda c, d: c.get(f"/v1/collections/{d.collection()}"),
    ("GET", "/v1/collections/{name}/map"): lambda c, d: c.get(
        f"/v1/collections/{d.collection()}/map", params={"format": d.one("json", "svg")}
    ),
    ("GET", "/v1/documents"): _listing("/v1/documents", "collection", "cursor"),
    ("GET", "/v1/documents/{document_id}"): lambda c, d: c.get(f"/v1/documents/{d.document()}"),
    ("GET", "/v1/documents/{document_id}/content"): lambda c, d: _version(c, d, "content"),
    ("GET", "/v1/documents/{document_id}/text"): lambda c, d: _version(c, d, "text"),
    ("GET", "/v1/documents/{document_id}/versions"): lambda c, d: c.get(
        f"/v1/documents/{d.document()}/versions"
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
    ("GET", "/v1/prompts"): lambda c, _: c.get("/v1/prompts"),
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
    ("DELETE", "/v1/documents/{document_id}"): lambda c, d: c.delete(
        f"/v1/documents/{d.document()}"
    ),
    ("DELETE", "/v1/documents/{document_id}/versions/{number}"): lambda c, d: c.delete(
        f"/v1/documents/{d.document()}/versions/1"
    ),
    ("POST", "/v1/answers/{answer_id}/replay"): lambda c, d: c.post(
        f"/v1/answers/{d.answer()}/replay"
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
# of the caller, of people or of sharing: test_roles has what each may do
_OF_PEOPLE: Final = ("/sign-out", "/v1/me", "/v1/people", "/v1/groups", "/v1/keys", "/v1/audit")


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


@given(
    caller=st.sampled_from(sorted(SECRETS)), place=st.sampled_from(sorted(CHANGES)), data=st.data()
)
def test_nothing_of_the_others_changes(
    town: Town, caller: str, place: tuple[str, str], data: st.DataObject
) -> None:
    before = town.state()
    response = CHANGES[place](town.owners[caller].client, Draw(data, town, caller, harmless=False))
    assert response.status_code in {403, 404}
    assert SECRETS[OTHER[caller]] not in response.text
    assert town.state() == before


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
    house.add("kept.md", _TEXT.format(secret="kept"))
    _, key = house.services.credentials.create_key("one", collections=["brief"])
    client = house.new_client({"Authorization": f"Bearer {key}"})
    assert house.client.delete("/v1/collections/brief").status_code == 200
    assert client.get("/v1/collections").json()["items"] == []
    assert client.post("/v1/search", json={"query": QUERIES[0]}).json()["passages"] == []
