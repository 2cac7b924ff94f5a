"""PDF through pdfium: the text of each page, line rectangles, the outline. No OCR."""

import ctypes
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pypdfium2
from pypdfium2 import raw

from ingestion.errors import (
    DocumentTooLargeError,
    NoTextFoundError,
    PasswordRequiredError,
    UnreadableDocumentError,
)
from ingestion.parsing.document import Heading, LineBox, ParsedDocument, ParseLimits, Report
from ingestion.parsing.text import clean_text, refuse_long

_PAGE_BREAK: Final = "\n\n"
# pdfium's mark for a hyphen at the end of a line; it swallows the line break after it
_HYPHEN: Final = "\x02"
_MAX_HEADINGS: Final = 5_000
_MAX_TITLE_CHARS: Final = 200


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    box: tuple[float, float, float, float] | None


@dataclass(frozen=True, slots=True)
class _Frame:
    """A page's visible rectangle in its own space, and its rotation in degrees clockwise."""

    left: float
    bottom: float
    right: float
    top: float
    rotation: int

    def from_top_left(
        self, left: float, bottom: float, right: float, top: float
    ) -> tuple[float, float, float, float]:
        """The rectangle as a reader sees it: rotated, the origin at the top left."""
        if self.rotation == 90:
            box = (bottom - self.bottom, left - self.left, top - self.bottom, right - self.left)
        elif self.rotation == 180:
            box = (self.right - right, bottom - self.bottom, self.right - left, top - self.bottom)
        elif self.rotation == 270:
            box = (self.top - top, self.right - right, self.top - bottom, self.right - left)
        else:
            box = (left - self.left, self.top - top, right - self.left, self.top - bottom)
        return (round(box[0], 2), round(box[1], 2), round(box[2], 2), round(box[3], 2))


def parse(path: Path, limits: ParseLimits, report: Report) -> ParsedDocument:
    """Read a PDF.

    Raises `PasswordRequiredError`, `UnreadableDocumentError`, `NoTextFoundError` for a scan, and
    `DocumentTooLargeError` for too many pages or too much text.
    """
    pdf = _open(path)
    num_pages = len(pdf)
    if num_pages > limits.max_pages:
        raise DocumentTooLargeError(
            f"the PDF has {num_pages} pages, the limit is {limits.max_pages} "
            "(CIMIENTO_INGESTION__MAX_PAGES)"
        )
    builder = _Builder(limits.max_text_chars)
    for index in range(num_pages):
        builder.add_page(_read_page(pdf, index))
        report(index + 1, num_pages)
    if not builder.has_text:
        raise NoTextFoundError(
            f"none of the {num_pages} pages has text; scanned pages need OCR, which is not there"
        )
    return builder.build(pdf)


def _open(path: Path) -> Any:
    try:
        pdf = pypdfium2.PdfDocument(path)
        if len(pdf) == 0:
            raise UnreadableDocumentError("the PDF has no pages")
    except pypdfium2.PdfiumError as error:
        if error.err_code in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
            raise PasswordRequiredError(
                "the PDF is encrypted; upload a copy that opens without a password"
            ) from error
        raise UnreadableDocumentError(f"the PDF is damaged: {error}") from error
    return pdf


class _Builder:
    """Joins pages into one text and keeps count of where everything is."""

    def __init__(self, max_chars: int) -> None:
        self._max_chars = max_chars
        self._parts: list[str] = []
        self._length = 0
        self._page_starts: list[int] = []
        self._boxes: list[LineBox] = []
        self.has_text = False

    def add_page(self, lines: list[_Line]) -> None:
        if self._page_starts:
            self._append(_PAGE_BREAK)
        self._page_starts.append(self._length)
        for index, line in enumerate(lines):
            if index:
                self._append("\n")
            self._add_line(line)

    def build(self, pdf: Any) -> ParsedDocument:
        text = "".join(self._parts)
        headings = tuple(_outline(pdf, text, self._page_starts))
        return ParsedDocument(text, tuple(self._page_starts), headings, tuple(self._boxes))

    def _add_line(self, line: _Line) -> None:
        start = self._length
        self._append(line.text)
        if line.text.strip():
            self.has_text = True
            if line.box:
                page = len(self._page_starts)
                self._boxes.append(LineBox(start, self._length, page, *line.box))

    def _append(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)
        if self._length > self._max_chars:
            refuse_long("".join(self._parts), self._max_chars)


def _read_page(pdf: Any, index: int) -> list[_Line]:
    try:
        page = pdf[index]
        textpage = page.get_textpage()
        left, bottom, right, top = page.get_bbox()
        frame = _Frame(left, bottom, right, top, page.get_rotation())
    except pypdfium2.PdfiumError:
        # one damaged page among good ones: it keeps its number and has no text
        return []
    try:
        return list(_read_lines(textpage, frame))
    finally:
        textpage.close()
        page.close()


def _read_lines(textpage: Any, frame: _Frame) -> Iterator[_Line]:
    # One call a character: pdfium's own range call cuts characters beyond 16 bits, and its text
    # positions differ from the character positions that the rectangles are asked by.
    handle = textpage.raw
    codes = [raw.FPDFText_GetUnicode(handle, i) for i in range(textpage.count_chars())]
    chars = "".join(map(_char, codes))
    start = 0
    for end in _line_ends(chars):
        text = clean_text(chars[start:end].replace(_HYPHEN, "-")).strip("\n").rstrip()
        box = _line_box(handle, start, end) if text else None
        yield _Line(text, frame.from_top_left(*box) if box else None)
        start = end


def _char(code: int) -> str:
    # one character for one code, so that positions in the string are pdfium's own
    return chr(code) if 0 < code <= 0x10FFFF else "\x00"


def _line_ends(chars: str) -> Iterator[int]:
    yield from (match.end() for match in re.finditer(f"[\n{_HYPHEN}]", chars))
    if chars and chars[-1] not in f"\n{_HYPHEN}":
        yield len(chars)


def _line_box(handle: Any, start: int, end: int) -> tuple[float, float, float, float] | None:
    # left, bottom, right, top of everything pdfium sees between the two characters
    num_rects = raw.FPDFText_CountRects(handle, start, end - start)
    boxes = [box for index in range(num_rects) if (box := _rect(handle, index))]
    if not boxes:
        return None
    lefts, bottoms, rights, tops = zip(*boxes, strict=True)
    return (min(lefts), min(bottoms), max(rights), max(tops))


def _rect(handle: Any, index: int) -> tuple[float, float, float, float] | None:
    left, top, right, bottom = (ctypes.c_double() for _ in range(4))
    if not raw.FPDFText_GetRect(handle, index, left, top, right, bottom):
        return None
    return (left.value, bottom.value, right.value, top.value)


def _outline(pdf: Any, text: str, page_starts: list[int]) -> Iterator[Heading]:
    """The PDF's own table of contents, each entry placed at its title's line on its page."""
    ends = [*page_starts[1:], len(text)]
    last = 0
    for count, bookmark in enumerate(pdf.get_toc()):
        if count >= _MAX_HEADINGS:
            return
        destination = bookmark.get_dest()
        index = destination.get_index() if destination else None
        title = " ".join(clean_text(bookmark.get_title()).split())[:_MAX_TITLE_CHARS]
        if index is None or not title or not 0 <= index < len(page_starts):
            continue
        start = max(page_starts[index], min(last, ends[index]))
        # A title that is not on its page names no place; a guessed one would mislabel text.
        offset = _find_title(title, text, start, ends[index])
        if offset is not None:
            last = offset
            yield Heading(offset, bookmark.level + 1, title)


def _find_title(title: str, text: str, start: int, end: int) -> int | None:
    # "1 Method" in the outline may be "1. Method" on the page, or broken over two lines
    words = r"[.:]?\s+".join(re.escape(word) for word in title.split())
    number = r"(?:[\dA-Z.]{1,8}\s+)?"
    match = re.compile(rf"^{number}{words}", re.IGNORECASE | re.MULTILINE).search(text, start, end)
    return match.start() if match else None
