"""Two owners of one service, and what a caller may try on what is the other's."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from fastapi.testclient import TestClient
from hypothesis import strategies as st

from app.adapters import NewAdapter
from core.access import Caller
from tests.unit.app.house import House

# said in the documents of each owner, in their names and in what describes the collection
SECRETS: Final = MappingProxyType({"north": "zephyrine", "south": "quillonade"})
OTHER: Final = MappingProxyType({"north": "south", "south": "north"})
TEXT: Final = (
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
        paths += [f"/v1/collections/{name}/adapter" for name in self.owners]
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


def settle(house: House, name: str, secret: str) -> Owner:
    """Make a collection, and all that its owner has in it; everything says the secret."""
    house.client.post("/v1/collections", json={"name": name, "description": f"about {secret}"})
    document_ids = [house.add(f"{secret}.md", TEXT.format(secret=secret), name)]
    document_ids.append(house.add(f"broken-{secret}.pdf", b"%PDF-1.7 broken", name))
    jobs = house.client.get("/v1/jobs", params={"collection": name}).json()["items"]
    house.client.post("/v1/prompts", json={"source": PROMPT.format(secret=secret)})
    house.client.put(f"/v1/collections/{name}/prompt", json={"prompt": secret})
    path = house.services.settings.data_dir / "adapter.safetensors"
    path.write_bytes(secret.encode())
    house.services.adapters.add(secret, NewAdapter(path, "b" * 64, "direct@1"), Caller.owner())
    house.client.put(f"/v1/collections/{name}/adapter", json={"adapter": secret})
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

    def adapter(self) -> str | None:
        name: str | None = self.one(SECRETS[self._foreign.name], "nobodys", None)
        return name

    def cursor(self) -> str | None:
        cursor: str | None = self.one(None, self.document(), self.job(), "", "0", "zzzz")
        return cursor

    def filter(self) -> dict[str, Any] | None:
        chosen: dict[str, Any] | None = self.one(
            None,
            {"collection": {"eq": self._foreign.name}},
            {"document_id": {"in": list(self._foreign.document_ids)}},
            {"not": {"collection": {"eq": self._own.name}}},
            {"or": [{"collection": {"eq": self._foreign.name}}, {"version": {"gt": 0}}]},
        )
        return chosen

    def model(self) -> str:
        """A model of OpenAI's protocol."""
        several = f"cimiento/{self._own.name},{self._foreign.name}"
        return str(self.one("cimiento", f"cimiento/{self.collection()}", several))

    def said(self) -> dict[str, str]:
        """What a client says that it was answered before, with a link to a document."""
        link = f"[1](http://x/documents/{self.document()}?version=1)"
        return {"role": "assistant", "content": f"It is the owner's. {link}"}

    def question(self) -> dict[str, Any]:
        body = {"collections": self.one(None, [self.collection()], [self.collection()])}
        body |= {"filter": self.filter(), "top_k": self.one(1, 50)}
        return {key: value for key, value in body.items() if value is not None}

    def _guess(self, prefix: str) -> str:
        near = self._foreign.document_ids[0].partition("_")[2]
        return f"{prefix}_{near[:-1]}{self.one('0', '1', 'z')}"
