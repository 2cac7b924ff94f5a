"""HTML: the main text as Markdown, without menus and scripts. Fetches nothing."""

import re
from pathlib import Path
from typing import Final

import trafilatura

from ingestion.parsing.document import ParsedDocument, ParseLimits, Report
from ingestion.parsing.markdown import find_headings
from ingestion.parsing.text import clean_text, decode, refuse_long
from ingestion.parsing.visible import visible_text

_META_CHARSET: Final = re.compile(rb"""<meta[^>]{0,200}charset\s*=\s*["']?([\w-]{1,40})""", re.I)
_XML_DECLARATION: Final = re.compile(r"\s*<\?xml[^>]*\?>")


def parse(path: Path, limits: ParseLimits, _report: Report) -> ParsedDocument:
    """Read an HTML page. Raises `UnreadableDocumentError`, `DocumentTooLargeError`."""
    data = path.read_bytes()
    found = _META_CHARSET.search(data[:4096])
    source = decode(data, declared=found[1].decode("ascii") if found else None)
    # lxml refuses text that declares its own encoding.
    source = clean_text(_XML_DECLARATION.sub("", source, count=1))
    # what trafilatura judges to be all menu, such as a page of links, is still what was uploaded
    text = clean_text(_main_text(source) or visible_text(source))
    text = refuse_long(text, limits.max_text_chars)
    return ParsedDocument(text, headings=tuple(find_headings(text)))


def _main_text(source: str) -> str:
    text = trafilatura.extract(
        source, output_format="markdown", include_comments=False, include_tables=True
    )
    return (text or "").strip()
