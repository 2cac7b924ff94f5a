"""What a parser is, what it hands back, and its form on disk. Pure: no parsing, no files."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from ingestion.parsing.text import refuse_long

_PAGE_BREAK: Final = "\n\n"

Report = Callable[[int, int], None]
"""Called with the pages done and the pages there are."""


class Heading(NamedTuple):
    """A heading at a character offset; level 1 is the highest."""

    offset: int
    level: int
    title: str


class LineBox(NamedTuple):
    """Where one line of text stands on its page, in PDF points; the origin is the top left."""

    start: int
    end: int
    page: int
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came inside another one, under a name that is fit to show."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """The text of a file, and where its parts are; every offset counts characters of `text`.

    `page_starts` is empty where the format has no pages; `line_boxes` where it has no geometry. A
    page is a slide where the file is a presentation; text before the first one is on none.
    `attachments` travel beside `to_json`, as files.
    """

    text: str
    page_starts: tuple[int, ...] = ()
    headings: tuple[Heading, ...] = ()
    line_boxes: tuple[LineBox, ...] = ()
    attachments: tuple[Attachment, ...] = ()

    def to_json(self) -> str:
        """The form that crosses processes and waits in the staging folder."""
        return json.dumps(
            {
                "text": self.text,
                "page_starts": self.page_starts,
                "headings": self.headings,
                "line_boxes": self.line_boxes,
            },
            ensure_ascii=False,
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, data: str) -> "ParsedDocument":
        """Read `to_json` back. Raises ValueError, KeyError or TypeError for anything else."""
        fields = json.loads(data)
        return cls(
            text=str(fields["text"]),
            page_starts=tuple(int(start) for start in fields["page_starts"]),
            headings=tuple(Heading(*heading) for heading in fields["headings"]),
            line_boxes=tuple(LineBox(*box) for box in fields["line_boxes"]),
        )


def join_pages(
    pages: Iterable[str], *, max_chars: int, front: str = ""
) -> tuple[str, tuple[int, ...]]:
    """The pages as one text, and where each begins; `front` stands before the first.

    Raises `DocumentTooLargeError`.
    """
    parts = [front + _PAGE_BREAK] if front else []
    starts: list[int] = []
    length = sum(map(len, parts))
    for page in pages:
        starts.append(length)
        parts.append(page + _PAGE_BREAK if page else "")
        length += len(parts[-1])
    text = refuse_long("".join(parts).rstrip("\n"), max_chars)
    return text, tuple(min(start, len(text)) for start in starts)


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """What one file may cost: seconds, bytes of address space, characters and pages.

    `page_timeout_s` bounds the silence between two reports of progress: one page, or the whole of
    a file whose format has no pages. `ocr` says whether pictures of text are read, where they can.
    """

    timeout_s: float
    page_timeout_s: float
    memory_bytes: int
    max_text_chars: int
    max_pages: int
    max_image_pixels: int
    ocr: bool = True


class Parser(Protocol):
    """A function that reads one format."""

    def __call__(self, path: Path, limits: ParseLimits, report: Report, /) -> ParsedDocument:
        """Read the file. Raises the errors of `ingestion.errors`."""
        ...
