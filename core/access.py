"""Who calls, and what they may see. Every read of documents takes an `Access`; no default."""

from collections.abc import Iterable
from dataclasses import dataclass

from core.ids import CollectionId


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
    """Who calls. `name` tells one key or browser from another, and outlives the request."""

    name: str
    access: Access
    # the command line on the machine that holds the data
    is_owner: bool = False

    @classmethod
    def owner(cls) -> "Caller":
        """Whoever can run commands where the data is: every answer is theirs to read."""
        return cls("owner", Access.to_everything(), is_owner=True)

    def may_read(self, asker: str, collection_ids: Iterable[CollectionId]) -> bool:
        """Whether an answer is theirs: who asked for it, and where its words are from."""
        is_theirs = self.is_owner or asker == self.name
        return is_theirs and all(map(self.access.allows, collection_ids))
