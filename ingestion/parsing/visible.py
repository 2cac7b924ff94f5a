"""Every word of a page that a reader could see. For pages, and mails, without a main text."""

import re
from typing import Final

import lxml.etree  # type: ignore[import-untyped]  # lxml has no types
import lxml.html  # type: ignore[import-untyped]

_HIDDEN: Final = ("script", "style", "noscript", "template", "svg", "head")
_BLOCKS: Final = re.compile(
    "address|article|aside|blockquote|br|dd|div|dl|dt|figcaption|footer|form|h[1-6]|header|hr|li|"
    "main|nav|ol|p|pre|section|table|td|th|tr|ul"
)
_BLANK_LINES: Final = re.compile(r"\n\s*\n+")


def visible_text(source: str) -> str:
    """Every word of a page that a reader could see, menus included; "" for a page without any."""
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
