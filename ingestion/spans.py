"""Chunks before they are stored: slices of a text, with their place. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChunkSpan:
    """A chunk as a slice `[start, end)` of the text, with the page and headings it stands under.

    `page` is 1-based, or None where the format has no pages; `language` is its own, or else that of
    the document. `header` is the slice that holds the header of the table whose rows the chunk goes
    on with.
    """

    start: int
    end: int
    page: int | None
    heading: str
    header: tuple[int, int] | None = None
    language: str | None = None

    def table_header(self, text: str) -> str | None:
        """The header itself, out of the text that the chunk is a slice of."""
        return text[slice(*self.header)].strip() if self.header else None


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """How a document was cut, and the language it is in."""

    language: str | None
    spans: tuple[ChunkSpan, ...]
