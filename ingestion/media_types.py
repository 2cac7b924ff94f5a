"""What kind of file this is, by its bytes; its name only breaks ties between kinds of text."""

import codecs
import re
from pathlib import Path
from typing import Final

import puremagic

from ingestion.errors import EmptyDocumentError, UnsupportedMediaTypeError
from ingestion.parsing import archives, compound
from ingestion.parsing.formats import (
    BMP,
    CSV,
    DOC,
    EML,
    ENCRYPTED,
    GIF,
    HTML,
    JPEG,
    JSON,
    JSONL,
    MARKDOWN,
    MSG,
    PDF,
    PLAIN,
    PNG,
    PPT,
    RTF,
    TIFF,
    TSV,
    WEBP,
    XLS,
)
from ingestion.parsing.text import looks_like_utf16

_PICTURES: Final = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), PNG),
    (re.compile(rb"\xff\xd8\xff"), JPEG),
    (re.compile(rb"GIF8[79]a"), GIF),
    (re.compile(rb"RIFF....WEBP", re.S), WEBP),
    (re.compile(rb"II\*\x00|MM\x00\*"), TIFF),
    # two letters begin many a text: the header's reserved zeros and its length decide
    (re.compile(rb"BM....\x00\x00\x00\x00....[\x0c-\x7c]\x00\x00\x00", re.S), BMP),
)
_HEAD_BYTES: Final = 64 * 1024
_SUPPORTED: Final = (
    "PDF, Word, PowerPoint, Excel, OpenDocument text, EPUB, RTF, mail, HTML, Markdown, CSV, JSON, "
    "any other text and pictures can be read"
)
_STREAMS: Final = {
    "WordDocument": DOC,
    "Workbook": XLS,
    "Book": XLS,
    "PowerPoint Document": PPT,
    "__properties_version1.0": MSG,
}
_ENCRYPTED_STREAM: Final = "EncryptedPackage"
_WIDE_MARKS: Final = (
    codecs.BOM_UTF16_LE,
    codecs.BOM_UTF16_BE,
    codecs.BOM_UTF32_LE,
    codecs.BOM_UTF32_BE,
)
# What no text in any 8-bit encoding has: C0 controls but tab, newlines, form feed, escape.
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
# The comments in one grip: given back one by one, forty of them would take years to fail.
_HTML_START: Final = re.compile(
    rb"\s*+(?>(?:<!--.*?-->\s*+)*)<(?:!doctype\s+html|html[\s>])", re.I | re.S
)
_HTML_TAG: Final = re.compile(
    rb"<(?:html|head|body|div|p|h[1-6]|table|article|main|span|a)[\s>]", re.I
)
_RTF_MARK: Final = b"{\\rtf"
# Text on the outside, but not to be read as it stands.
_POSTSCRIPT: Final = b"%!PS"
_MAIL_HEADER: Final = re.compile(rb"(?:From |[!-9;-~]{1,76}:)")
_MAIL_FIELDS: Final = re.compile(
    rb"^(received|return-path|delivered-to|message-id|mime-version|from|to|date|subject):",
    re.I | re.M,
)
# A mail that is not called one says so by several of its usual headers.
_FEW_FIELDS, _MANY_FIELDS = 1, 4
_JSON_START: Final = re.compile(rb"\s*[\[{]")
_BY_SUFFIX: Final = {
    ".csv": CSV,
    ".eml": EML,
    ".htm": HTML,
    ".html": HTML,
    ".json": JSON,
    ".jsonl": JSONL,
    ".markdown": MARKDOWN,
    ".md": MARKDOWN,
    ".ndjson": JSONL,
    ".tab": TSV,
    ".tsv": TSV,
    ".xhtml": HTML,
}


def detect_media_type(path: Path, name: str) -> str:
    """The media type of a file that was received under a name.

    Raises `EmptyDocumentError`, and `UnsupportedMediaTypeError` for whatever cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise EmptyDocumentError("the file is empty")
    if head.startswith(b"PK\x03\x04"):
        return _zip_type(path, name)
    if head.startswith(compound.MARK):
        return _compound_type(path, name)
    if head.startswith(_RTF_MARK):
        return RTF
    for mark, media_type in _PICTURES:
        if mark.match(head):
            return media_type
    is_text = _is_text(head)
    # Readers allow a PDF some bytes before its mark; a text that mentions the mark is a text.
    if head.lstrip().startswith(b"%PDF-") or (b"%PDF-" in head[:1024] and not is_text):
        return PDF
    if is_text and not head.startswith(_POSTSCRIPT):
        return _text_type(head, name)
    raise UnsupportedMediaTypeError(f"{name!r} looks like {_describe(head)}; {_SUPPORTED}")


def _zip_type(path: Path, name: str) -> str:
    media_type = archives.find_type(path)
    if not media_type:
        raise UnsupportedMediaTypeError(
            f"{name!r} is a zip file, and no document of a known kind; {_SUPPORTED}"
        )
    return media_type


def _compound_type(path: Path, name: str) -> str:
    try:
        with path.open("rb") as file:
            streams = {at[0] for at in compound.CompoundFile(file).paths() if len(at) == 1}
    except compound.CompoundFileError:
        streams = set()
    if _ENCRYPTED_STREAM in streams:
        return ENCRYPTED
    for stream, media_type in _STREAMS.items():
        if stream in streams:
            return media_type
    raise UnsupportedMediaTypeError(
        f"{name!r} is an old Office container, and no document of a known kind; {_SUPPORTED}"
    )


def _is_text(head: bytes) -> bool:
    if head.startswith(_WIDE_MARKS) or looks_like_utf16(head):
        return True
    return not _CONTROL.search(head)


def _text_type(head: bytes, name: str) -> str:
    head = _narrow(head)
    if _HTML_START.match(head):
        return HTML
    by_name = _BY_SUFFIX.get(Path(name).suffix.lower(), PLAIN)
    wanted_fields = _FEW_FIELDS if by_name == EML else _MANY_FIELDS
    if by_name in (EML, PLAIN) and _is_mail(head, wanted_fields):
        return EML
    if (by_name == HTML and not _HTML_TAG.search(head)) or by_name == EML:
        return PLAIN
    if by_name in (JSON, JSONL) and not _JSON_START.match(head):
        return PLAIN
    return by_name


def _is_mail(head: bytes, num_fields: int) -> bool:
    if not _MAIL_HEADER.match(head):
        return False
    headers = re.split(rb"\r?\n\r?\n", head, maxsplit=1)[0]
    return len({field.lower() for field in _MAIL_FIELDS.findall(headers)}) >= num_fields


def _narrow(head: bytes) -> bytes:
    # markup is ASCII in every encoding once the zero bytes and the marks are gone
    return head.replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe")


def _describe(head: bytes) -> str:
    try:
        return puremagic.magic_string(head)[0].name or "a binary file"
    except (puremagic.PureError, ValueError, IndexError):
        return "a binary file"
