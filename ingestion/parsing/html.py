"""HTML: the main text as Markdown, without menus and scripts. Fetches nothing."""

import re
from pathlib import Path
from typing import Final

import lxml.etree  # type: ignore[import-untyped]  # lxml has no types
import lxml.html  # type: ignore[import-untyped]
import trafilatura

from ingestion.parsing.document import ParsedDocument, ParseLimits, Report
from ingestion.parsing.markdown import find_headings
from ingestion.parsing.text import clean_text, decode, refuse_long

_META_CHARSET: Final = re.compile(rb"""<meta[^>]{0,200}charset\s*=\s*["']?([\w-]{1,40})""", re.I)
_XML_DECLARATION: Final = re.compile(r"\s*<\?xml[^>]*\?>")
_HIDDEN: Final = ("script", "style", "noscript", "template", "svg", "head")
_BLOCKS: Final = re.compile(
    "address|article|aside|blockquote|br|dd|div|dl|dt|figcaption|footer|form|h[1-6]|header|hr|li|"
    "main|nav|ol|p|pre|section|table|td|th|tr|ul"
)
_BLANK_LINES: Final = re.compile(r"\n\s*\n+")


def parse(path: Path, limits: ParseLimits, _report: Report) -> ParsedDocument:
    """Read an HTML page. Raises `UnreadableDocumentError`, `DocumentTooLargeError`."""
    data = path.read_bytes()
    found = _META_CHARSET.search(data[:4096])
    source = decode(data, declared=found[1].decode("ascii") if found else None)
    # lxml refuses text that declares its own encoding.
    source = clean_text(_XML_DECLARATION.sub("", source, count=1))
    text = clean_text(_main_text(source) or _visible_text(source))
    text = refuse_long(text, limits.max_text_chars)
    return ParsedDocument(text, headings=tuple(find_headings(text)))


def _main_text(source: str) -> str:
    text = trafilatura.extract(
        source, output_format="markdown", include_comments=False, include_tables=True
    )
    return (text or "").strip()


def _visible_text(source: str) -> str:
    # what trafilatura judges to be all menu, such as a page of links, is still what was uploaded
    try:
        root = lxml.html.document_fromstring(source)
    except (lxml.etree.ParserError, ValueError):
        return ""
    for element in list(root.iter(*_HIDDEN)):
        element.drop_tree()
    parts: list[str] = []
    for element in root.iter():
        if isinstance(element.tag, str):
            parts.append("\n" if _BLOCKS.fullmatch(element.tag) else "")
            parts.append(element.text or "")
        parts.append(element.tail or "")
    return _BLANK_LINES.sub("\n\n", "".join(parts)).strip()
