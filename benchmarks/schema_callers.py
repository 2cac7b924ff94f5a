"""Who calls in `benchmarks.schemas`, and what there is for them to name in their requests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final, cast

from schemathesis.python.asgi import ASGIApp, ASGIClient

from app.people.credentials import NewKey
from app.people.errors import PersonNotFoundError
from core.access import Scope
from core.ids import VersionId
from core.server_settings import ServerSettings
from ingestion.attempts import Attempt, JobError
from tests.unit.app.house import POOL, House

QUESTION: Final = "When does the pool open?"
# the host that Schemathesis itself names when it probes a route again
_BASE_URL: Final = "http://testserver"
_OWNER: Final = "who-owns-all-of-this"
_PROMPT: Final = (
    "name: {name}\nen:\n  system: Answer.\n  passage: '{{text}}'\n"
    "  user: '{{passages}} {{question}}'\n"
)
_CASE: Final = '{"question": "When does the pool open?", "answers": ["nine"]}\n'


def build_house(data_dir: Path) -> House:
    """A service with a document, answering for the host that the requests name."""
    house = House(data_dir, server=ServerSettings(public_url=_BASE_URL))
    house.add("pool.txt", POOL)
    return house


@dataclass
class Caller:
    """Somebody who calls; `signs_in` gives the headers that say who. A stranger has none."""

    name: str
    house: House
    signs_in: Callable[[House], Mapping[str, str]]
    client: ASGIClient = field(init=False)
    _kept: dict[str, Any] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=count)

    def __post_init__(self) -> None:
        # not entered: that would start what delivers to webhooks
        self.client = ASGIClient(cast("ASGIApp", self.house.app), _BASE_URL)
        self.enter()

    @property
    def is_stranger(self) -> bool:
        """Whether nobody knows them."""
        return not self.client.headers.keys() & {"Authorization", "Cookie"}

    def enter(self) -> None:
        """Sign in, again where a request has ended the session."""
        self.client.headers.update(self.signs_in(self.house))

    def knows(self, kind: str) -> bool:
        """Whether a field of this kind names something that they can have."""
        return kind in _MAKERS and not self.is_stranger

    def known(self, kind: str, *, fresh: bool = False) -> Any:
        """What a field of a kind that they know may say.

        fresh: something that nobody needs any more, for what would take it away.
        """
        if fresh:
            return _MAKERS[kind](self)
        if kind not in self._kept:
            self._kept[kind] = _MAKERS[kind](self)
        return self._kept[kind]

    def new_name(self) -> str:
        """A name that nothing has."""
        return f"{self.name}-{next(self._numbers)}"

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        """What a request made. Its session may have ended: then it is opened again."""
        self.enter()
        response = self.client.post(path, json=body)
        assert response.ok, response.text
        made: dict[str, Any] = response.json()
        return made


def _of_session(house: House) -> Mapping[str, str]:
    people = house.services.doors.people
    try:
        person = people.get(_OWNER)
    except PersonNotFoundError:
        person = people.create(_OWNER, is_owner=True)
    token = house.services.doors.sessions.open(person.id)
    return {"Cookie": f"cimiento_session={token}", "Sec-Fetch-Site": "same-origin"}


def build_callers(house: House) -> tuple[Caller, ...]:
    """A key to everything, an owner who is signed in, and a stranger."""
    key = NewKey("everything", scopes=frozenset(Scope))
    _, secret = house.services.credentials.create(key)
    return (
        Caller("key", house, lambda _: {"Authorization": f"Bearer {secret}"}),
        Caller("session", house, _of_session),
        Caller("stranger", house, lambda _: {}),
    )


def kind_of(method: str, path: str, name: str) -> str:
    """Which of the things of `Caller.known` a field of an operation names."""
    last = path.rpartition("/")[2]
    return _KINDS.get((method, path, name)) or _KINDS.get((method, last, name)) or name


# Fields that mean one thing in most operations, and here another.
_KINDS: Final[Mapping[tuple[str, str, str], str]] = {
    ("delete", "{job_id}", "job_id"): "open_job",
    ("post", "retry", "job_id"): "failed_job",
    ("post", "cancel", "evaluation_id"): "open_evaluation",
    ("get", "comparison", "before"): "evaluation_id",
    ("get", "compare", "before"): "prompt",
    ("get", "compare", "after"): "prompt",
    ("post", "embeddings", "model"): "embedding_model",
}


def _collection(caller: Caller) -> str:
    return caller.house.services.collections.create(caller.new_name()).name


def _upload(caller: Caller) -> dict[str, Any]:
    name = caller.new_name()
    made: dict[str, Any] = caller.house.upload(f"{name}.md", f"# {name}\n\n{POOL}").json()
    return made


def _document(caller: Caller) -> str:
    made = _upload(caller)
    caller.house.ingest()
    return str(made["document_id"])


def _job(caller: Caller) -> str:
    made = _upload(caller)
    caller.house.ingest()
    return str(made["job_id"])


def _failed_job(caller: Caller) -> str:
    job_id = _upload(caller)["job_id"]
    reason = JobError("parser_crashed", "it crashed", retryable=True)
    caller.house.services.attempts.fail(Attempt(VersionId(job_id), 1), reason)
    return str(job_id)


def _answer(caller: Caller) -> str:
    answer = caller.post("/v1/answer", question=QUESTION, min_confidence=0)
    caller.post(f"/v1/answers/{answer['id']}/feedback", rating="up")
    return str(answer["id"])


def _conversation(caller: Caller) -> str:
    conversation_id = caller.post("/v1/conversations", title="Pool")["id"]
    caller.post("/v1/answer", question=QUESTION, conversation_id=conversation_id)
    return str(conversation_id)


def _open_evaluation(caller: Caller) -> str:
    return str(caller.post("/v1/evaluations", questions=_CASE, collections=["default"])["id"])


def _evaluation(caller: Caller) -> str:
    run_id = _open_evaluation(caller)
    caller.house.evaluate()
    return run_id


def _prompt(caller: Caller) -> str:
    name = caller.new_name()
    caller.post("/v1/prompts", source=_PROMPT.format(name=name))
    return name


def _person(caller: Caller) -> str:
    return caller.house.services.doors.people.create(caller.new_name()).name


def _group(caller: Caller) -> str:
    name = caller.new_name()
    caller.house.services.doors.groups.create(name)
    return name


def _key(caller: Caller) -> str:
    return caller.house.services.credentials.create_key(caller.new_name())[0].id


def _webhook(caller: Caller) -> str:
    made = caller.post("/v1/webhooks", url="https://example.org/hook")
    caller.post(f"/v1/webhooks/{made['id']}/ping")
    return str(made["id"])


def _message(caller: Caller) -> str:
    caller.enter()
    deliveries = caller.client.get(f"/v1/webhooks/{caller.known('webhook_id')}/deliveries")
    return str(deliveries.json()["items"][0]["id"])


_MAKERS: Final[Mapping[str, Callable[[Caller], Any]]] = {
    "answer_id": _answer,
    "collection": _collection,
    "collections": lambda caller: ["default", caller.known("collection")],
    "conversation_id": _conversation,
    "document_id": _document,
    "embedding_model": lambda caller: caller.house.services.embedder.model,
    "evaluation_id": _evaluation,
    "failed_job": _failed_job,
    "filter": lambda _: {"collection": {"eq": "default"}},
    "group": _group,
    "input": lambda _: QUESTION,
    "job_id": _job,
    "key_id": _key,
    "language": lambda _: "es",
    "message_id": _message,
    "messages": lambda _: [{"role": "user", "content": QUESTION}],
    "metadata": lambda _: '{"department": "people"}',
    "model": lambda _: "cimiento/default",
    "number": lambda _: 1,
    "open_evaluation": _open_evaluation,
    "open_job": lambda caller: _upload(caller)["job_id"],
    "person": _person,
    "previous_response_id": lambda caller: f"resp_{caller.known('answer_id')}",
    "prompt": _prompt,
    "query": lambda _: QUESTION,
    "question": lambda _: QUESTION,
    "questions": lambda _: _CASE,
    "reference": _prompt,
    "source": lambda caller: _PROMPT.format(name=caller.new_name()),
    "token": lambda caller: caller.house.services.doors.sessions.create_link(),
    "url": lambda _: "https://example.org/hook",
    "webhook_id": _webhook,
}
