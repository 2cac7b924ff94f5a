"""The blocks of a text: paragraphs, list items, tables, code. Pure; offsets only, one pass."""

import re
from collections.abc import Iterator
from enum import Enum
from typing import Final, NamedTuple

_LINE: Final = re.compile(r"[^\n]*\n?")
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
_ITEM: Final = re.compile(r"[ \t]*(?:[-*+•‣◦]|\d{1,3}[.)])[ \t]")
# The line below a table's header. Possessive, so that a long line is read once.
_RULE: Final = re.compile(
    r"[ \t]*+\|?[ \t]*+:?-{2,}+:?[ \t]*+(?:\|[ \t]*+:?-{2,}+:?[ \t]*+)*+\|?[ \t]*+$"
)
_INTRODUCES: Final = (":", "：")  # noqa: RUF001 - the colon of Chinese and Japanese


class Kind(Enum):
    """What a block is."""

    PARAGRAPH = "paragraph"
    ITEM = "item"
    TABLE = "table"
    CODE = "code"


class Block(NamedTuple):
    """Lines `[start, end)` that belong together, without the blank ones around them.

    `is_led`: the block before introduces this one, as a heading does, or "The parts are:". `body`
    is where the rows of a table begin, after its header; elsewhere it is `start`.
    """

    start: int
    end: int
    kind: Kind
    is_led: bool
    body: int


class _Line(NamedTuple):
    start: int
    end: int  # without the newline
    text: str

    @property
    def is_blank(self) -> bool:
        return not self.text.strip()

    @property
    def num_bars(self) -> int:
        """Bars that part cells: a row has one at least, with space around it or at its ends."""
        bare = self.text.strip()
        if not (bare.startswith("|") or " | " in bare or "\t|" in bare):
            return 0
        return bare.count("|")


def find_blocks(text: str, start: int, end: int) -> Iterator[Block]:
    """The blocks of `text[start:end]`, in order; together they hold all that is no white space."""
    lines = _Lines(text, start, end)
    before = ""  # the last line of the block before
    while (line := lines.next()) is not None:
        if line.is_blank:
            continue
        led = before.startswith("#") or before.endswith(_INTRODUCES)
        kind, last, body = _take(lines, line)
        yield Block(line.start, last.end, kind, led, body)
        before = last.text.strip()


class _Lines:
    """The lines of a stretch, with one to look ahead at."""

    def __init__(self, text: str, start: int, end: int) -> None:
        self._found = _LINE.finditer(text, start, end)
        self._ahead = self._read()

    def next(self) -> _Line | None:
        line, self._ahead = self._ahead, self._read()
        return line

    @property
    def ahead(self) -> _Line | None:
        return self._ahead

    def _read(self) -> _Line | None:
        found = next(self._found, None)
        if found is None or not found[0]:
            return None
        text = found[0].removesuffix("\n")
        return _Line(found.start(), found.start() + len(text), text)


def _take(lines: _Lines, first: _Line) -> tuple[Kind, _Line, int]:
    # the kind of the block that begins with this line, its last line, and where its rows begin
    if fence := _FENCE.match(first.text):
        return Kind.CODE, _take_code(lines, first, fence[1]), first.start
    if first.num_bars and lines.ahead is not None and _is_row(lines.ahead, first):
        return _take_table(lines, first)
    kind = Kind.ITEM if _ITEM.match(first.text) else Kind.PARAGRAPH
    return kind, _take_lines(lines, first), first.start


def _take_code(lines: _Lines, first: _Line, fence: str) -> _Line:
    last = first
    while (line := lines.next()) is not None:
        last = line if not line.is_blank else last
        closing = _FENCE.match(line.text)
        if closing and closing[1].startswith(fence) and not line.text[closing.end() :].strip():
            return line
    return last


def _take_table(lines: _Lines, first: _Line) -> tuple[Kind, _Line, int]:
    last, body = first, None
    while (line := lines.ahead) is not None and _is_row(line, first):
        lines.next()
        last = line
        if body is None and not _RULE.match(line.text):
            body = line.start
    return Kind.TABLE, last, body if body is not None else first.start


def _is_row(line: _Line, first: _Line) -> bool:
    if first.text.lstrip().startswith("|"):
        return line.text.lstrip().startswith("|")
    return line.num_bars == first.num_bars or bool(_RULE.match(line.text) and "|" in line.text)


def _take_lines(lines: _Lines, first: _Line) -> _Line:
    last = first
    while (line := lines.ahead) is not None and not line.is_blank:
        starts_row = line.num_bars > 1 and line.text.lstrip().startswith("|")
        if starts_row or _ITEM.match(line.text) or _FENCE.match(line.text):
            break
        lines.next()
        last = line
    return last
