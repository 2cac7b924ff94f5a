"""What a caller may see. Every read of documents takes an `Access`; there is no default."""

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
