"""DOCX through xberg, as Markdown. The only module that knows xberg; no OCR, no downloads."""

import asyncio
import zipfile
from pathlib import Path
from typing import Final

import xberg

from ingestion.errors import DocumentTooLargeError, UnreadableDocumentError
from ingestion.parsing.document import ParsedDocument, ParseLimits, Report
from ingestion.parsing.markdown import find_headings
from ingestion.parsing.text import clean_text, refuse_long

_MEDIA_TYPE: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
# Text in a word processor's XML takes several times its length; pictures are not unpacked.
_XML_BYTES_PER_CHAR: Final = 10
_XML_BYTES_LEAST: Final = 64 * 1024 * 1024


def parse(path: Path, limits: ParseLimits, _report: Report) -> ParsedDocument:
    """Read a DOCX file. Raises `UnreadableDocumentError`, `DocumentTooLargeError`."""
    _refuse_bomb(path, max(_XML_BYTES_LEAST, limits.max_text_chars * _XML_BYTES_PER_CHAR))
    data = path.read_bytes()
    try:
        content = asyncio.run(_extract(data, limits))
    except RuntimeError as error:  # what xberg raises for everything
        raise UnreadableDocumentError(f"the Word document cannot be read: {error}") from error
    text = refuse_long(clean_text(content).strip("\n"), limits.max_text_chars)
    return ParsedDocument(text, headings=tuple(find_headings(text)))


async def _extract(data: bytes, limits: ParseLimits) -> str:
    config = xberg.ExtractionConfig(
        disable_ocr=True,
        use_cache=False,
        enable_quality_processing=False,
        output_format="markdown",
        escape_markdown=False,
        extraction_timeout_secs=int(limits.timeout_s) + 1,
    )
    source = xberg.ExtractInput(
        kind=xberg.ExtractInputKind.BYTES, bytes=data, mime_type=_MEDIA_TYPE
    )
    result = await xberg.extract(source, config)
    if not result.results:
        reasons = "; ".join(str(error) for error in result.errors) or "it has no content"
        raise UnreadableDocumentError(f"the Word document cannot be read: {reasons}")
    content: str = result.results[0].content
    return content


def _refuse_bomb(path: Path, max_bytes: int) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            xml_bytes = sum(
                entry.file_size for entry in archive.infolist() if entry.filename.endswith(".xml")
            )
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UnreadableDocumentError(f"the Word document is damaged: {error}") from error
    if xml_bytes > max_bytes:
        raise DocumentTooLargeError(
            f"the Word document unpacks to {xml_bytes} bytes, the limit is {max_bytes}"
        )
