"""Text to chunks: structure first, then size. Pure; a chunk is a slice, never a rewriting."""

import bisect
import itertools
from collections.abc import Iterator
from typing import Final

from langchain_text_splitters import RecursiveCharacterTextSplitter

from ingestion.parsing.document import Heading, ParsedDocument
from ingestion.spans import ChunkSpan

_SEPARATORS: Final = [
    r"\n\s*\n",  # paragraphs
    r"\n(?=[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t])",  # list items
    r"(?<=[.!?…:;])\s+",  # sentences
    r"\n",
    r"\s",
    "",
]
_HEADING_JOINER: Final = " > "
_MAX_HEADING_CHARS: Final = 300


def chunk(parsed: ParsedDocument, *, max_chars: int, overlap_chars: int) -> list[ChunkSpan]:
    """Cut a document into chunks in reading order.

    A chunk never crosses a page or a heading, is at most `max_chars` long and begins and ends
    with something to read. Neighbours inside one section may share up to `overlap_chars`.
    """
    splitter = RecursiveCharacterTextSplitter(
        separators=_SEPARATORS,
        is_separator_regex=True,
        keep_separator=True,
        chunk_size=max_chars,
        chunk_overlap=overlap_chars,
        add_start_index=True,
    )
    return [
        span
        for section in _sections(parsed)
        for span in _split(parsed.text, section, splitter)
        if any(char.isalnum() for char in parsed.text[span.start : span.end])
    ]


def embedding_text(document_name: str, span: ChunkSpan, text: str) -> str:
    """What is embedded for a chunk: where it stands, then what it says. It is not stored."""
    place = _HEADING_JOINER.join(filter(None, (document_name, span.heading)))
    return f"{place}\n{text[span.start : span.end]}"


def _split(
    text: str, section: ChunkSpan, splitter: RecursiveCharacterTextSplitter
) -> Iterator[ChunkSpan]:
    for piece in splitter.create_documents([text[section.start : section.end]]):
        start = section.start + piece.metadata["start_index"]
        yield ChunkSpan(start, start + len(piece.page_content), section.page, section.heading)


def _sections(parsed: ParsedDocument) -> Iterator[ChunkSpan]:
    """The text cut at every page and heading; a heading with nothing below joins what follows."""
    headings = sorted(parsed.headings)
    offsets = [heading.offset for heading in headings]
    paths = list(_paths(headings))
    cuts = sorted({0, len(parsed.text), *parsed.page_starts, *offsets})
    waiting: int | None = None
    for start, end in itertools.pairwise(cuts):
        page = bisect.bisect_right(parsed.page_starts, start) or None
        begin = start if waiting is None else waiting
        body = parsed.text[begin:end].strip()
        bare_heading = start in offsets and "\n" not in parsed.text[start:end].strip()
        page_ends = end == len(parsed.text) or end in parsed.page_starts
        if bare_heading and not page_ends:
            waiting = begin
            continue
        waiting = None
        if body:
            heading = paths[at] if (at := bisect.bisect_right(offsets, start) - 1) >= 0 else ""
            yield ChunkSpan(begin, end, page, heading)


def _paths(headings: list[Heading]) -> Iterator[str]:
    # "Guide > Install > Linux" for each heading in turn
    stack: list[Heading] = []
    for heading in headings:
        while stack and stack[-1].level >= heading.level:
            stack.pop()
        stack.append(heading)
        yield _HEADING_JOINER.join(above.title for above in stack)[:_MAX_HEADING_CHARS]
