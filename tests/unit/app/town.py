"""A service with people, groups and keys of every kind, over collections of every standing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from types import MappingProxyType
from typing import Final

from fastapi.testclient import TestClient

from app.people.credentials import DEFAULT_SCOPES, NewKey
from app.people.sharing import Holder
from core.access import Access, Role, Scope
from core.ids import PersonId, VersionId
from ingestion.attempts import Attempt, JobError
from tests.unit.app.house import POOL, House

# what Ana may do in each collection; Root owns the service, and so all of them
STANDINGS: Final[Mapping[str, Role | None]] = MappingProxyType(
    {"owned": Role.OWNER, "edited": Role.EDITOR, "shared": Role.READER, "foreign": None}
)


QUESTIONS: Final = '{"question": "When does the pool open?", "answers": ["nine"]}\n'


@dataclass(frozen=True, slots=True)
class Kind:
    """Somebody who calls. roles: in which collections; None for an owner of everything."""

    scopes: frozenset[Scope] = frozenset(Scope)
    roles: Mapping[str, Role | None] | None = None
    is_person: bool = False
    is_stranger: bool = False


CALLERS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "a stranger": Kind(frozenset(), {}, is_stranger=True),
        "root": Kind(is_person=True),
        "ana": Kind(roles=STANDINGS, is_person=True),
        "ana's key": Kind(DEFAULT_SCOPES, STANDINGS),
        "a key": Kind(DEFAULT_SCOPES),
        "a limited key": Kind(DEFAULT_SCOPES, {"owned": Role.OWNER}),
        **{f"a key to {scope}": Kind(frozenset({scope})) for scope in Scope},
    }
)


@dataclass(frozen=True, slots=True)
class Things:
    """What a request is about: a collection with what is in it, and somebody's answer."""

    collection: str
    document: str = ""
    job: str = ""
    answer: str = ""
    conversation: str = ""
    evaluation: str = ""
    # a name that nothing has yet
    new: str = ""
    person: str = ""
    group: str = ""
    key: str = ""


@dataclass
class Town:
    """The service and who calls it."""

    house: House
    documents: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, str] = field(default_factory=dict)
    people: dict[str, PersonId] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=count)

    def build(self) -> None:
        """Make everybody and everything."""
        doors = self.house.services.doors
        self.people["root"] = doors.people.create("root", is_owner=True).id
        self.people["ana"] = doors.people.create("ana").id
        doors.people.create("guest")
        doors.groups.create("guests")
        doors.groups.create("readers")
        doors.groups.add_member("readers", "ana")
        for name in STANDINGS:
            self.settle(name)
        for name, kind in CALLERS.items():
            if not (kind.is_person or kind.is_stranger or name == "a limited key"):
                person_id = self.people["ana"] if name == "ana's key" else None
                new = NewKey(name, scopes=kind.scopes, person_id=person_id)
                self.keys[name] = doors.credentials.create(new)[1]

    def settle(self, name: str) -> None:
        """Make a collection with its documents, and share it."""
        services = self.house.services
        collection = services.collections.create(name)
        self.documents[name] = self.house.add("pool.md", POOL, name)
        (job,) = services.jobs.list(Access(frozenset({collection.id})))
        self.jobs[name] = job.id
        role = STANDINGS[name]
        if role is not None:
            holder = Holder("person", "ana") if name != "shared" else Holder("group", "readers")
            services.doors.sharing.grant(collection.id, holder, role)
        if name == "owned":
            _, self.keys["a limited key"] = services.credentials.create_key("a", collections=[name])

    def client(self, caller: str) -> TestClient:
        """A client of this caller; people get a session of their own each time."""
        services = self.house.services
        if (person_id := self.people.get(caller)) is not None:
            client = self.house.new_client({"Sec-Fetch-Site": "same-origin"})
            client.cookies.set("cimiento_session", services.doors.sessions.open(person_id))
            return client
        key = self.keys.get(caller)
        return self.house.new_client({"Authorization": f"Bearer {key}"} if key else None)

    def things(self, collection: str, *, fresh: bool = False) -> Things:
        """The standing things of a collection, with somebody and a group to share it with.

        fresh: a document of its own, whose job has failed.
        """
        new = f"new-{next(self._numbers)}"
        document, job = self.documents[collection], self.jobs[collection]
        if fresh:
            accepted = self.house.upload(f"{new}.md", "# A\n\nwords", collection).json()
            document, job = accepted["document_id"], accepted["job_id"]
            reason = JobError("unreadable_document", "it is broken", retryable=False)
            self.house.services.attempts.fail(Attempt(VersionId(job), 1), reason)
        return Things(
            collection, document=document, job=job, new=new, person="guest", group="guests"
        )

    def things_of_people(self) -> Things:
        """Somebody, a group and a key to be changed, and made for that."""
        doors = self.house.services.doors
        new = f"new-{next(self._numbers)}"
        doors.people.create(f"of-{new}")
        doors.groups.create(f"of-{new}")
        key, _ = doors.credentials.create_key(new)
        return Things("owned", new=new, person=f"of-{new}", group=f"of-{new}", key=key.id)

    def asked(self, caller: str, collection: str = "owned") -> Things:
        """An answer and a conversation of this caller."""
        client = self.client(caller)
        conversation = client.post("/v1/conversations", json={"title": "Pool"}).json()["id"]
        body = {"question": "When does the pool open?", "collections": [collection]}
        answer = client.post("/v1/answer", json={**body, "min_confidence": 0}).json()["id"]
        run = client.post("/v1/evaluations", json={"questions": QUESTIONS}).json()["id"]
        return Things(collection, answer=answer, conversation=conversation, evaluation=run)
