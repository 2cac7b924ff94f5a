"""Texts from the files of a folder: .txt, .md, and .jsonl with a "text" per line.

Refuses nothing: what cannot be read is counted with its reason and one example, and passed over.
Memory stays small whatever a file holds: a long text comes in parts, each a document.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from generation.training.errors import DataError, OptionError

SUFFIXES: Final = (".txt", ".md", ".jsonl")
# a book becomes several documents: validation can hold some of them back
MAX_DOCUMENT_CHARS: Final = 100_000
MAX_LINE_BYTES: Final = 64 << 20
_BLOCK_CHARS: Final = 1 << 16


@dataclass(slots=True)
class Skips:
    """What was passed over: how often for each reason, and where it was first seen."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, source: str) -> None:
        self.counts[reason] += 1
        self.first.setdefault(reason, source)

    def __str__(self) -> str:
        return "; ".join(
            f"{reason}: {number:,} (first: {self.first[reason]})"
            for reason, number in self.counts.most_common()
        )


@dataclass(frozen=True, slots=True)
class Document:
    source: str  # file name below the folder, with a line for .jsonl
    text: str


def find_files(folder: Path) -> list[Path]:
    """Every file of a kind we read below `folder`, sorted; hidden ones are left out."""
    if not folder.is_dir():
        raise OptionError(f"--data: {folder} is not a folder")
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )
    if not found:
        raise DataError(f"--data: {folder} holds no {', '.join(SUFFIXES)} file")
    return found


def read_documents(path: Path, source: str, skips: Skips) -> Iterator[Document]:
    """The documents of one file, in order; reasons why parts were passed over go to `skips`."""
    try:
        with path.open("rb") as stream:
            if b"\0" in stream.read(_BLOCK_CHARS):
                skips.add("binary file", source)
                return
            stream.seek(0)
            if path.suffix.lower() == ".jsonl":
                yield from _read_json_lines(stream, source, skips)
                return
        for text in cut_text(_read_blocks(path)):
            yield Document(source, text)
    except UnicodeDecodeError:
        skips.add("not UTF-8 (skipped from there on)", source)
    except OSError as error:
        skips.add(f"unreadable ({error.strerror})", source)


def cut_text(blocks: Iterable[str], *, max_chars: int = MAX_DOCUMENT_CHARS) -> Iterator[str]:
    """Join blocks and cut again: parts of at most `max_chars`, between paragraphs if possible."""
    rest = ""
    for block in blocks:
        rest += block
        while len(rest) > max_chars:
            end = _find_cut(rest, max_chars)
            yield rest[:end]
            rest = rest[end:]
    if rest:
        yield rest


def _find_cut(text: str, max_chars: int) -> int:
    for mark in ("\n\n", "\n", " "):
        at = text.rfind(mark, max_chars // 2, max_chars)
        if at >= 0:
            return at + len(mark)
    return max_chars


def _read_blocks(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8-sig") as stream:  # text mode also makes every line end "\n"
        while block := stream.read(_BLOCK_CHARS):
            yield block


def _read_json_lines(stream: BinaryIO, source: str, skips: Skips) -> Iterator[Document]:
    for number, line in enumerate(iter(lambda: stream.readline(MAX_LINE_BYTES), b""), 1):
        place = f"{source}:{number}"
        if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            _finish_line(stream)
            skips.add("line too long", place)
        elif line.strip():
            text = _text_of(line)
            if text is None:
                skips.add('line without a "text"', place)
            else:
                yield from (Document(place, part) for part in cut_text([text]))


def _finish_line(stream: BinaryIO) -> None:
    while (more := stream.readline(MAX_LINE_BYTES)) and not more.endswith(b"\n"):
        pass


def _text_of(line: bytes) -> str | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):  # RecursionError: brackets inside brackets without end
        return None
    text = record.get("text") if isinstance(record, dict) else None
    return text if isinstance(text, str) else None
