"""Lines of pages to one text, keeping count of where everything is. Pure; knows no format."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ingestion.parsing.document import Heading, LineBox, ParsedDocument
from ingestion.parsing.text import refuse_long

_PAGE_BREAK: Final = "\n\n"


@dataclass(frozen=True, slots=True)
class PageLine:
    """A line of text, or the next piece of one, and its rectangle on the page in points."""

    text: str
    box: tuple[float, float, float, float] | None
    goes_on: bool = False


class PageBuilder:
    """Joins pages into one text. Raises `DocumentTooLargeError` as soon as it is too long."""

    def __init__(self, max_chars: int) -> None:
        self._max_chars = max_chars
        self._parts: list[str] = []
        self._length = 0
        self._boxes: list[LineBox] = []
        self.page_starts: list[int] = []
        self.has_text = False

    def add_page(self, lines: Iterable[PageLine]) -> None:
        """Append a page; one without lines keeps its number."""
        if self.page_starts:
            self._append(_PAGE_BREAK)
        self.page_starts.append(self._length)
        for index, line in enumerate(lines):
            if index:
                self._append(" " if line.goes_on else "\n")
            self._add_line(line)

    def text(self) -> str:
        """The text so far."""
        return "".join(self._parts)

    def build(self, headings: Iterable[Heading] = ()) -> ParsedDocument:
        """All pages, with the headings that were found in their text."""
        return ParsedDocument(
            self.text(), tuple(self.page_starts), tuple(headings), tuple(self._boxes)
        )

    def _add_line(self, line: PageLine) -> None:
        start = self._length
        self._append(line.text)
        if line.text.strip():
            self.has_text = True
            if line.box:
                page = len(self.page_starts)
                self._boxes.append(LineBox(start, self._length, page, *line.box))

    def _append(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)
        if self._length > self._max_chars:
            refuse_long(self.text(), self._max_chars)
