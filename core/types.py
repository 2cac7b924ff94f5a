"""Values that pass between the rooms. Frozen data and what follows from it alone: no database."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.ids import ChunkId, CollectionId, DocumentId, VersionId


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on a page, in PDF points; the origin is the page's top left corner."""

    page: int
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that was retrieved, with its source.

    `text` equals the stored text of the version sliced by `start` and `end` (characters).
    `page` is 1-based, or None where the format has no pages. `score` orders one response only.
    `table_header` stands further up in the text: rows that go on with a table are read below it.
    """

    id: ChunkId
    document_id: DocumentId
    document_name: str
    version_id: VersionId
    version: int
    collection_id: CollectionId
    collection: str
    page: int | None
    start: int
    end: int
    heading: str
    text: str
    score: float
    scores: Mapping[str, float] = field(default_factory=dict)
    table_header: str | None = None

    @property
    def place(self) -> str:
        """Where it stands: its document, and the headings above it."""
        return " > ".join(filter(None, (self.document_name, self.heading)))

    @property
    def readable(self) -> str:
        """Its text below the header of its table: rows mean nothing without its names."""
        return f"{self.table_header}\n{self.text}" if self.table_header else self.text
