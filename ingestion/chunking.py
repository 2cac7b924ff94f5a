"""Text to chunks: structure first, then size in tokens. Pure; a chunk is a slice, never rewritten.

A section (what stands below one heading, on one page) that fits is one chunk. A longer one is cut
where the text itself does: between blocks, else between rows, sentences, lines or words, and only
in the end anywhere.
"""

import bisect
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from core.tokens import Offsets, Tokens
from ingestion.blocks import Block, Kind, find_blocks
from ingestion.parsing.document import Heading, ParsedDocument
from ingestion.spans import ChunkSpan

_SENTENCE: Final = re.compile(
    r"""(?<=[.!?…])["'”’»)\]]*\s+|(?<=[。！？])["'”’»)\]]*"""  # noqa: RUF001 - real quotes
)
_NEW_LINE: Final = re.compile(r"\n")
_SPACE: Final = re.compile(r"\s+")
_READABLE: Final = re.compile(r"\S")
_PROSE_CUTS: Final = (_SENTENCE, _NEW_LINE, _SPACE)
# What continues the character before it: combining marks, joiners, variation and skin tones.
_CONTINUES: Final = re.compile(
    r"[\u0300-\u036f\u200d\ufe00-\ufe0f\u20d0-\u20ff\U0001f3fb-\U0001f3ff]|(?<=\u200d)\S"
)
_MAX_MARKS: Final = 16
_WHOLE: Final = (Kind.TABLE, Kind.CODE)
# A chunk is at least so full, where it can be without a worse cut.
_MIN_FILL: Final = 0.5

_MAX_PLACE_TOKENS: Final = 64
# What the model reads beside a chunk: its place, the model's prefix and its marks.
_RESERVED_TOKENS: Final = _MAX_PLACE_TOKENS + 8

_HEADING_JOINER: Final = " > "
_MAX_HEADING_CHARS: Final = 300


@dataclass(frozen=True, slots=True)
class ChunkSize:
    """The most tokens of a chunk, and the most that it repeats of the one before."""

    max_tokens: int
    overlap_tokens: int


def chunk(parsed: ParsedDocument, tokens: Tokens, size: ChunkSize) -> list[ChunkSpan]:
    """Cut a document into chunks in reading order.

    A chunk never crosses a page or a heading, has at most `size.max_tokens` tokens, fewer where the
    model reads fewer, and begins and ends with something to read. Neighbours inside one section
    share at most `size.overlap_tokens`, from the beginning of a sentence on. A table or a piece of
    code that fits into one chunk is not cut, if what introduces it fits too; longer ones are cut
    between lines, and rows name the header of their table. What holds no letter and no digit makes
    no chunk.
    """
    starts = tokens.starts(parsed.text)
    max_tokens = min(size.max_tokens, tokens.max_tokens - _RESERVED_TOKENS)
    size = ChunkSize(max_tokens, min(size.overlap_tokens, max_tokens // 2))
    return [
        span
        for section in _sections(parsed)
        for span in _Cutter(parsed.text, starts, size, section).spans()
        if any(char.isalnum() for char in parsed.text[span.start : span.end])
    ]


def embedding_text(document_name: str, span: ChunkSpan, text: str, tokens: Tokens) -> str:
    """What is embedded for a chunk: where it stands, then what it says. No part of its text.

    Of a long place the end is kept, which is nearest: the model reads all of the chunk.
    """
    place = _HEADING_JOINER.join(filter(None, (document_name, span.heading)))
    starts = tokens.starts(place)
    if len(starts) > _MAX_PLACE_TOKENS:
        place = place[starts[-_MAX_PLACE_TOKENS] :]
    parts = (place, span.table_header(text), text[span.start : span.end])
    return "\n".join(part for part in parts if part is not None)


class _Cutter:
    """Cuts one section."""

    def __init__(self, text: str, starts: Offsets, size: ChunkSize, section: ChunkSpan) -> None:
        self._text = text
        self._starts = starts
        self._size = size
        self._section = section
        self._blocks = list(find_blocks(text, section.start, section.end))
        self._block_starts = [block.start for block in self._blocks]

    def spans(self) -> Iterator[ChunkSpan]:
        if not self._blocks:
            return
        end = self._blocks[-1].end
        begin = start = self._skip_space(self._blocks[0].start)
        while begin < end:
            header = self._header(begin)
            room = self._size.max_tokens - (self._count(*header) if header else 0)
            start = begin if header else self._repeat_from(begin, start)
            cut = self._cut(start, begin, end, room)
            if cut <= begin:
                start, cut = begin, self._cut(begin, begin, end, room)
            yield self._span(start, cut, header)
            begin = self._skip_space(cut)

    def _span(self, start: int, cut: int, header: tuple[int, int] | None) -> ChunkSpan:
        stop = start + len(self._text[start:cut].rstrip())
        return ChunkSpan(start, stop, self._section.page, self._section.heading, header)

    def _cut(self, start: int, begin: int, end: int, room: int) -> int:
        """Where a chunk from `start` ends, after `begin`; 0 where it would not get so far."""
        limit = self._reach(start, room)
        if limit >= end:
            return end
        full_from = max(begin, self._reach(start, int(room * _MIN_FILL)))
        first = bisect.bisect_right(self._block_starts, full_from)
        last = bisect.bisect_right(self._block_starts, limit) - 1  # it is cut, or begins at limit
        between = self._blocks[first : last + 1]
        for is_good in (_is_apart, _is_unled):
            for block in reversed(between):
                if is_good(block):
                    return block.start
        return self._cut_inside(self._blocks[last], start, begin, limit, full_from)

    def _cut_inside(self, block: Block, start: int, begin: int, limit: int, full_from: int) -> int:
        if begin < block.end <= limit:
            return block.end
        if block.kind in _WHOLE:
            if self._count(block.start, block.end) <= self._size.max_tokens:
                # it fits whole into the next chunk
                if block.start > (full_from if block.is_led else begin):
                    return block.start
                if start < begin:
                    return 0
            if (row := self._last(_NEW_LINE, max(begin, block.start), limit)) > begin:
                return row
        for floor in (full_from, begin):
            for pattern in _PROSE_CUTS:
                if (found := self._last(pattern, max(floor, block.start), limit)) > begin:
                    return found
        return self._anywhere(begin, limit)

    def _last(self, pattern: re.Pattern[str], floor: int, limit: int) -> int:
        # the end of the last match in the stretch; a cut there leaves the match with what it ends
        last = 0
        for match in pattern.finditer(self._text, floor, limit):
            last = match.end()
        return last

    def _anywhere(self, begin: int, limit: int) -> int:
        for cut in range(limit, max(begin, limit - _MAX_MARKS), -1):
            if not _CONTINUES.match(self._text, cut):
                return cut
        return max(limit, begin + 1)

    def _repeat_from(self, begin: int, last_start: int) -> int:
        """Where the chunk that goes on at `begin` starts, to share whole sentences."""
        block = self._blocks[max(0, bisect.bisect_left(self._block_starts, begin) - 1)]
        if self._size.overlap_tokens == 0 or begin <= block.start or block.kind in _WHOLE:
            return begin
        index = bisect.bisect_left(self._starts, begin) - self._size.overlap_tokens
        earliest = max(block.start, last_start + 1, int(self._starts[max(0, index)]))
        if earliest == block.start:
            return self._skip_space(earliest)
        match = _SENTENCE.search(self._text, earliest, begin)
        return self._skip_space(match.end()) if match else begin

    def _header(self, begin: int) -> tuple[int, int] | None:
        """The header of the table that goes on at `begin`."""
        block = self._blocks[bisect.bisect_right(self._block_starts, begin) - 1]
        if block.kind is not Kind.TABLE or not block.start < block.body <= begin:
            return None
        fits = self._count(block.start, block.body) * 2 <= self._size.max_tokens
        return (block.start, block.body) if fits else None

    def _reach(self, start: int, num_tokens: int) -> int:
        # the furthest offset with so many tokens from `start` on
        index = int(bisect.bisect_left(self._starts, start)) + num_tokens
        return int(self._starts[index]) if index < len(self._starts) else len(self._text)

    def _count(self, start: int, end: int) -> int:
        return int(bisect.bisect_left(self._starts, end) - bisect.bisect_left(self._starts, start))

    def _skip_space(self, offset: int) -> int:
        found = _READABLE.search(self._text, offset, self._section.end)
        return found.start() if found else self._section.end


def _is_apart(block: Block) -> bool:
    return block.kind is not Kind.ITEM and not block.is_led


def _is_unled(block: Block) -> bool:
    return not block.is_led


def _sections(parsed: ParsedDocument) -> Iterator[ChunkSpan]:
    """The text cut at every page and heading; a heading with nothing below joins what follows."""
    headings = sorted(parsed.headings)
    offsets = [heading.offset for heading in headings]
    paths = list(_paths(headings))
    page_starts, heading_starts = set(parsed.page_starts), set(offsets)
    cuts = sorted({0, len(parsed.text), *page_starts, *heading_starts})
    waiting: int | None = None
    for start, end in itertools.pairwise(cuts):
        own = parsed.text[start:end].strip()
        is_bare_heading = start in heading_starts and "\n" not in own
        page_ends = end == len(parsed.text) or end in page_starts
        if is_bare_heading and not page_ends:
            waiting = start if waiting is None else waiting
        elif own or waiting is not None:
            page = bisect.bisect_right(parsed.page_starts, start) or None
            heading = paths[at] if (at := bisect.bisect_right(offsets, start) - 1) >= 0 else ""
            yield ChunkSpan(start if waiting is None else waiting, end, page, heading)
            waiting = None


def _paths(headings: list[Heading]) -> Iterator[str]:
    # "Guide > Install > Linux" for each heading in turn
    stack: list[Heading] = []
    for heading in headings:
        while stack and stack[-1].level >= heading.level:
            stack.pop()
        stack.append(heading)
        yield _HEADING_JOINER.join(above.title for above in stack)[:_MAX_HEADING_CHARS]
