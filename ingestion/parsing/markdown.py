"""Markdown: its source is its text; headings are found, nothing is rendered."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ingestion.parsing.document import Heading, ParsedDocument, ParseLimits, Report
from ingestion.parsing.text import clean_text, decode, refuse_long

_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
_ATX: Final = re.compile(r" {0,3}(#{1,6})[ \t]+(.*)$")
# A line may be a megabyte long, and what cleans a title up looks ahead from every place in it.
_MAX_TITLE_CHARS: Final = 1000
_SETEXT: Final = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
_FRONT_MATTER: Final = re.compile(r"---[ \t]*\n.*?\n(?:---|\.\.\.)[ \t]*\n", re.DOTALL)
# `{ #anchor }` after a heading names a link target; `[text](link)` reads as its text.
_ANCHOR: Final = re.compile(r"\s*\{[^{}]*\}\s*$")
_LINK: Final = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")
_MARKS: Final = re.compile(r"[*`]|<[^<>]*>")
_NOT_A_TITLE: Final = re.compile(r"\s{4}|\s*([-*+>|#]|\d+[.)])\s")


def parse(path: Path, limits: ParseLimits, _report: Report) -> ParsedDocument:
    """Read a Markdown file. Raises `UnreadableDocumentError`, `DocumentTooLargeError`."""
    text = refuse_long(clean_text(decode(path.read_bytes())), limits.max_text_chars)
    return ParsedDocument(text, headings=tuple(find_headings(text)))


def find_headings(text: str) -> Iterator[Heading]:
    """Every heading outside code fences and front matter, with the offset of its line."""
    front = _FRONT_MATTER.match(text)
    offset = front.end() if front else 0
    fence = ""
    previous, previous_offset = "", offset
    for line in text[offset:].splitlines(keepends=True):
        bare = line.rstrip("\n")
        fence, was_fenced = _next_fence(bare, fence), fence
        if not (fence or was_fenced):
            if match := _ATX.match(bare):
                yield from _heading(offset, len(match[1]), _without_closing(match[2]))
                bare = ""
            elif (match := _SETEXT.match(bare)) and _is_title(previous):
                yield from _heading(previous_offset, 1 if match[1][0] == "=" else 2, previous)
        previous, previous_offset = ("" if was_fenced or fence else bare), offset
        offset += len(line)


def _next_fence(line: str, fence: str) -> str:
    # the fence that is open after this line; "" for none
    match = _FENCE.match(line)
    if not match:
        return fence
    if not fence:
        return match[1]
    closes = match[1].startswith(fence) and not line[match.end() :].strip()
    return "" if closes else fence


def _is_title(line: str) -> bool:
    return bool(line.strip()) and not _NOT_A_TITLE.match(line) and not _SETEXT.match(line)


def _without_closing(source: str) -> str:
    # "## Title ##" closes with a run of its own; "# C#" does not
    source = source.rstrip(" \t")
    bare = source.rstrip("#")
    return bare if not bare or bare[-1] in " \t" else source


def _heading(offset: int, level: int, source: str) -> Iterator[Heading]:
    source = source.strip()[:_MAX_TITLE_CHARS]
    title = _MARKS.sub("", _LINK.sub(r"\1", _ANCHOR.sub("", source))).strip()
    if title:
        yield Heading(offset, level, title)
