"""Plain text, in any common encoding. No headings, no pages."""

from pathlib import Path

from ingestion.parsing.document import ParsedDocument, ParseLimits, Report
from ingestion.parsing.text import clean_text, decode, refuse_long


def parse(path: Path, limits: ParseLimits, _report: Report) -> ParsedDocument:
    """Read a text file. Raises `UnreadableDocumentError`, `DocumentTooLargeError`."""
    text = clean_text(decode(path.read_bytes()))
    return ParsedDocument(refuse_long(text, limits.max_text_chars))
