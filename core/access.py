"""Who calls, and what they may see and do. Every read of documents takes an `Access`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self

from core.ids import CollectionId, PersonId


class Role(StrEnum):
    """What somebody may do in a collection; each may do what those before it may."""

    READER = "reader"
    EDITOR = "editor"
    OWNER = "owner"

    def includes(self, needed: "Role") -> bool:
        """Whether whoever has this role may do what `needed` may."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(needed)


class Scope(StrEnum):
    """What an API key was made for; people signed in have all of them."""

    # see collections, documents and jobs; search
    READ = "read"
    # ask, and keep answers and conversations
    ASK = "ask"
    # upload and delete documents
    WRITE = "write"
    # make, change, share and delete collections; prompts and evaluations
    MANAGE = "manage"
    # accounts, groups, keys and the audit log
    PEOPLE = "people"
    # what operators watch: figures of the whole service, and nothing of anybody's
    METRICS = "metrics"


OF_THE_SERVICE: Final = frozenset({Scope.PEOPLE, Scope.METRICS})
"""Scopes of the service as a whole: for keys to everything, and only where they are asked for."""


@dataclass(frozen=True, slots=True)
class Access:
    """The collections a caller may read; `None` stands for all of them."""

    collection_ids: frozenset[CollectionId] | None

    @classmethod
    def to_everything(cls) -> "Access":
        """Access of the owner and of the command line on the machine that holds the data."""
        return cls(collection_ids=None)

    def allows(self, collection_id: CollectionId) -> bool:
        """Whether the caller may see this collection."""
        return self.collection_ids is None or collection_id in self.collection_ids

    def narrowed_to(self, collection_ids: Iterable[CollectionId]) -> "Access":
        """The same caller, asking about these collections only. Never widens."""
        asked = frozenset(collection_ids)
        if self.collection_ids is None:
            return Access(asked)
        return Access(self.collection_ids & asked)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. `name` tells one key or person from another, and outlives the request.

    roles: what they may do in each collection that they may see. Where they see all of them,
    those to come included, they own all of them, and `roles` is empty.
    """

    name: str
    access: Access
    # the command line on the machine that holds the data
    is_owner: bool = False
    roles: Mapping[CollectionId, Role] = field(default_factory=dict)
    scopes: frozenset[Scope] = frozenset(Scope)
    # the account behind it; None for the key of a service
    person_id: PersonId | None = None
    # what people call them
    label: str = ""

    @classmethod
    def owner(cls) -> "Caller":
        """Whoever can run commands where the data is: every answer is theirs to read."""
        return cls("owner", Access.to_everything(), is_owner=True, label="command line")

    @classmethod
    def with_roles(cls, name: str, label: str, roles: Mapping[CollectionId, Role] | None) -> Self:
        """A caller with these roles; None makes them an owner of everything."""
        if roles is None:
            return cls(name, Access.to_everything(), label=label)
        return cls(name, Access(frozenset(roles)), roles=roles, label=label)

    @property
    def owns_everything(self) -> bool:
        """Whether every collection is theirs, those to come included."""
        return self.access.collection_ids is None

    def may(self, role: Role, collection_id: CollectionId) -> bool:
        """Whether they may do in this collection what `role` may."""
        if self.owns_everything:
            return True
        found = self.roles.get(collection_id)
        return found is not None and found.includes(role)

    def may_read(self, asker: str, collection_ids: Iterable[CollectionId]) -> bool:
        """Whether an answer is theirs: who asked for it, and where its words are from."""
        is_theirs = self.is_owner or asker == self.name
        return is_theirs and all(map(self.access.allows, collection_ids))
