"""Office files, books and rich text through xberg, as Markdown. The only module that knows xberg;
no OCR, no downloads.
"""

import asyncio
import re
from functools import partial
from pathlib import Path
from typing import Final

import xberg

from ingestion.errors import UnreadableDocumentError
from ingestion.parsing import formats
from ingestion.parsing.archives import refuse_bomb
from ingestion.parsing.document import ParsedDocument, ParseLimits, Report, join_pages
from ingestion.parsing.markdown import find_headings
from ingestion.parsing.text import clean_text, refuse_long

_ZIPPED: Final = frozenset({formats.DOCX, formats.XLSX, formats.ODT, formats.EPUB})
# xberg escapes these in spite of `escape_markdown=False`.
_ESCAPED: Final = re.compile(r"\\([!<>#])")
_IMAGE: Final = re.compile(r"!\[([^\[\]]*)\]\([^()\s]*\)")
_BLANK_ROW: Final = re.compile(r"^\|(?:[ \t]*\|)+[ \t]*$\n?", re.MULTILINE)
_RULE: Final = re.compile(r"^-{5}$", re.MULTILINE)
_NOTES: Final = re.compile(r"^\[\^\d+\]:", re.MULTILINE)


def _parse(path: Path, limits: ParseLimits, _report: Report, *, media_type: str) -> ParsedDocument:
    """Read a document without pages. Raises `UnreadableDocumentError`, `DocumentTooLargeError`."""
    text = refuse_long(_readable(_load(path, media_type, limits)), limits.max_text_chars)
    return ParsedDocument(text, headings=tuple(find_headings(text)))


def parse_ppt(path: Path, limits: ParseLimits, _report: Report) -> ParsedDocument:
    """Read an old presentation: every slide is a page.

    Its notes come without the number of their slide, so they stand before the first page.
    """
    slides, notes = _split_notes(_load(path, formats.PPT, limits))
    pages = map(_readable, _RULE.split(slides)[1:])
    text, starts = join_pages(pages, max_chars=limits.max_text_chars, front=_readable(notes))
    return ParsedDocument(text, page_starts=starts, headings=tuple(find_headings(text)))


parse_doc = partial(_parse, media_type=formats.DOC)
parse_docx = partial(_parse, media_type=formats.DOCX)
parse_epub = partial(_parse, media_type=formats.EPUB)
parse_msg = partial(_parse, media_type=formats.MSG)
parse_odt = partial(_parse, media_type=formats.ODT)
parse_rtf = partial(_parse, media_type=formats.RTF)
parse_xls = partial(_parse, media_type=formats.XLS)
parse_xlsx = partial(_parse, media_type=formats.XLSX)


def _load(path: Path, media_type: str, limits: ParseLimits) -> str:
    if media_type in _ZIPPED:
        refuse_bomb(path, max_text_chars=limits.max_text_chars)
    try:
        return asyncio.run(_extract(path.read_bytes(), media_type, limits))
    except RuntimeError as error:  # what xberg raises for everything
        raise UnreadableDocumentError(f"the file cannot be read: {error}") from error


async def _extract(data: bytes, media_type: str, limits: ParseLimits) -> str:
    config = xberg.ExtractionConfig(
        disable_ocr=True,
        use_cache=False,
        enable_quality_processing=False,
        output_format="markdown",
        escape_markdown=False,
        # what is embedded in a document, such as the workbook behind a chart, is not unpacked
        max_archive_depth=0,
        extraction_timeout_secs=int(limits.timeout_s) + 1,
    )
    source = xberg.ExtractInput(kind=xberg.ExtractInputKind.BYTES, bytes=data, mime_type=media_type)
    result = await xberg.extract(source, config)
    if not result.results:
        reasons = "; ".join(str(error) for error in result.errors) or "it has no content"
        raise UnreadableDocumentError(f"the file cannot be read: {reasons}")
    content: str = result.results[0].content
    return content


def _split_notes(content: str) -> tuple[str, str]:
    first = _NOTES.search(content)
    return (content[: first.start()], content[first.start() :]) if first else (content, "")


def _readable(content: str) -> str:
    content = _ESCAPED.sub(r"\1", clean_text(content))
    content = _RULE.sub("", _IMAGE.sub(r"\1", content))
    return _BLANK_ROW.sub("", content).strip()
