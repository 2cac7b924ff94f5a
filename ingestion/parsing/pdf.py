"""PDF through pdfium: the text of each page, line rectangles, the outline; scans through OCR."""

import ctypes
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pypdfium2
from pypdfium2 import raw

from ingestion.errors import (
    DocumentTooLargeError,
    NoTextFoundError,
    PasswordRequiredError,
    PasswordWrongError,
    UnreadableDocumentError,
)
from ingestion.parsing.document import Heading, ParsedDocument, ParseLimits, Report
from ingestion.parsing.ocr import LONGEST_SIDE, Ocr, as_picture, has_ocr, require_ocr
from ingestion.parsing.pages import PageBuilder, PageLine
from ingestion.parsing.text import clean_text

# pdfium's mark for a hyphen at the end of a line; it swallows the line break after it
_HYPHEN: Final = "\x02"
_SOFT_HYPHEN: Final = "\xad"
# A scanner's own line on the page: "Scanned with ..."; more text than that is the page's own.
_MAX_STAMP_CHARS: Final = 40
_MAX_PICTURES: Final = 50
# pixels a point: 200 dots an inch is what small print needs, more adds nothing
_MAX_SCALE: Final = 200 / 72
_MAX_HEADINGS: Final = 5_000
_MAX_TITLE_CHARS: Final = 200


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


def parse(
    path: Path, limits: ParseLimits, report: Report, *, password: str | None = None
) -> ParsedDocument:
    """Read a PDF.

    Raises `PasswordRequiredError`, `PasswordWrongError`, `UnreadableDocumentError`,
    `OcrNotInstalledError` for a scan without OCR, `NoTextFoundError`, and `DocumentTooLargeError`
    for too many pages or too much text.
    """
    pdf = _open(path, password)
    num_pages = len(pdf)
    if num_pages > limits.max_pages:
        raise DocumentTooLargeError(
            f"the PDF has {num_pages} pages, the limit is {limits.max_pages} "
            "(CIMIENTO_INGESTION__MAX_PAGES)"
        )
    builder = PageBuilder(limits.max_text_chars)
    scans = _Scans(limits)
    for index in range(num_pages):
        builder.add_page(_read_page(pdf, index, scans))
        report(index + 1, num_pages)
    if not builder.has_text:
        scans.refuse()
        raise NoTextFoundError(f"none of the {num_pages} pages has text")
    return builder.build(_outline(pdf, builder.text(), builder.page_starts))


class _Scans:
    """Reads the pages that are pictures of text, with models that are loaded for the first."""

    def __init__(self, limits: ParseLimits) -> None:
        self._limits = limits
        self._num_left = 0
        self._ocr: Ocr | None = None

    def read(self, page: Any) -> list[PageLine]:
        """The lines on a page as it looks; none where OCR is off or missing."""
        if not self._limits.ocr or not has_ocr():
            self._num_left += 1
            return []
        self._ocr = self._ocr or Ocr()
        width, height = page.get_size()
        longest = max(width, height, 1.0)
        scale = min(LONGEST_SIDE / longest, _MAX_SCALE)
        try:
            picture = page.render(scale=scale, rev_byteorder=True).to_numpy()
        except pypdfium2.PdfiumError:
            # one page that cannot be drawn among good ones: it keeps its number and has no text
            return []
        return self._ocr.read_lines(as_picture(picture), pixels_per_point=scale)

    def refuse(self) -> None:
        """Say what would have read the pages that were left, if there were any."""
        if self._num_left and self._limits.ocr:
            require_ocr()
        if self._num_left:
            raise NoTextFoundError(
                f"{self._num_left} pages are pictures, and OCR is off (CIMIENTO_INGESTION__OCR)"
            )


def _open(path: Path, password: str | None) -> Any:
    for candidate in _candidates(password):
        try:
            pdf = pypdfium2.PdfDocument(path, password=candidate)
        except pypdfium2.PdfiumError as error:
            if error.err_code not in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
                raise UnreadableDocumentError(f"the PDF is damaged: {error}") from error
            continue
        if len(pdf) == 0:
            raise UnreadableDocumentError("the PDF has no pages")
        return pdf
    if password is None:
        raise PasswordRequiredError("the PDF is encrypted and came without its password")
    raise PasswordWrongError("the password does not open the PDF")


def _candidates(password: str | None) -> Iterator[str | None]:
    # What opens without a password needs none, whatever came with it.
    yield None
    if password is not None:
        yield password
        # PDF 2.0 passwords are normalised by SASLprep; pdfium leaves that to its caller.
        prepared = unicodedata.normalize("NFKC", password).replace(_SOFT_HYPHEN, "")
        if prepared != password:
            yield prepared


def _read_page(pdf: Any, index: int, scans: _Scans) -> list[PageLine]:
    try:
        page = pdf[index]
        textpage = page.get_textpage()
        left, bottom, right, top = page.get_bbox()
        frame = _Frame(left, bottom, right, top, page.get_rotation())
    except pypdfium2.PdfiumError:
        # one damaged page among good ones: it keeps its number and has no text
        return []
    try:
        lines = list(_read_lines(textpage, frame))
        return (scans.read(page) if _is_scan(page, lines) else []) or lines
    finally:
        textpage.close()
        page.close()


def _is_scan(page: Any, lines: list[PageLine]) -> bool:
    """Whether a page has something on it and no text, or only a stamp on a large picture."""
    num_chars = sum(len("".join(line.text.split())) for line in lines)
    if num_chars > _MAX_STAMP_CHARS:
        return False
    if num_chars == 0:
        return bool(raw.FPDFPage_CountObjects(page.raw) > 0)
    width, height = page.get_size()
    pictures = page.get_objects(filter=(raw.FPDF_PAGEOBJ_IMAGE,), max_depth=2)
    return any(_area(picture) > width * height / 2 for picture in islice(pictures, _MAX_PICTURES))


def _area(picture: Any) -> float:
    left, bottom, right, top = picture.get_bounds()
    return float((right - left) * (top - bottom))


def _read_lines(textpage: Any, frame: _Frame) -> Iterator[PageLine]:
    # One call a character: pdfium's own range call cuts characters beyond 16 bits, and its text
    # positions differ from the character positions that the rectangles are asked by.
    handle = textpage.raw
    codes = [raw.FPDFText_GetUnicode(handle, i) for i in range(textpage.count_chars())]
    chars = "".join(map(_char, codes))
    start = 0
    for end in _line_ends(chars):
        text = clean_text(chars[start:end].replace(_HYPHEN, "-")).strip("\n").rstrip()
        box = _line_box(handle, start, end) if text else None
        yield PageLine(text, frame.from_top_left(*box) if box else None)
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
