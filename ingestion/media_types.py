"""What kind of file this is, by its bytes; its name only breaks ties between kinds of text."""

import codecs
import re
import zipfile
from pathlib import Path
from typing import Final

import puremagic

from ingestion.errors import (
    EmptyDocumentError,
    PasswordRequiredError,
    UnsupportedMediaTypeError,
)
from ingestion.parsing.text import looks_like_utf16

PDF: Final = "application/pdf"
MARKDOWN: Final = "text/markdown"
HTML: Final = "text/html"
PLAIN: Final = "text/plain"
DOCX: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

_HEAD_BYTES: Final = 64 * 1024
_SUPPORTED: Final = "PDF, Word (DOCX), HTML, Markdown and plain text can be read"
_WORD_PART: Final = "word/document.xml"
_MAX_ZIP_ENTRIES: Final = 10_000
_ZIP_END_BYTES: Final = 66_000  # the end record and the longest comment after it
_WIDE_MARKS: Final = (
    codecs.BOM_UTF16_LE,
    codecs.BOM_UTF16_BE,
    codecs.BOM_UTF32_LE,
    codecs.BOM_UTF32_BE,
)
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_OFFICE: Final = "EncryptedPackage".encode("utf-16-le")
# What no text in any 8-bit encoding has: C0 controls but tab, newlines, form feed, escape.
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
_HTML_START: Final = re.compile(
    rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html[\s>])", re.I | re.S
)
_HTML_TAG: Final = re.compile(
    rb"<(?:html|head|body|div|p|h[1-6]|table|article|main|span|a)[\s>]", re.I
)
# Text on the outside, but not to be read as it stands.
_FORMATTED: Final = (b"{\\rtf", b"%!PS")
_BY_SUFFIX: Final = {
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".html": HTML,
    ".htm": HTML,
    ".xhtml": HTML,
}


def detect_media_type(path: Path, name: str) -> str:
    """The media type of a file that was received under a name.

    Raises `EmptyDocumentError`, `PasswordRequiredError` for encrypted office files, and
    `UnsupportedMediaTypeError` for whatever cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise EmptyDocumentError("the file is empty")
    if head.startswith(b"PK\x03\x04"):
        return _zip_type(path, name)
    if head.startswith(_OLE):
        _refuse_encrypted_office(path)
    is_text = _is_text(head)
    # Readers allow a PDF some bytes before its mark; a text that mentions the mark is a text.
    if head.lstrip().startswith(b"%PDF-") or (b"%PDF-" in head[:1024] and not is_text):
        return PDF
    if is_text and not head.startswith(_FORMATTED):
        return _text_type(head, name)
    raise UnsupportedMediaTypeError(f"{name!r} looks like {_describe(head)}; {_SUPPORTED}")


def _zip_type(path: Path, name: str) -> str:
    if _WORD_PART in _zip_names(path):
        return DOCX
    raise UnsupportedMediaTypeError(f"{name!r} is a zip file but no Word document; {_SUPPORTED}")


def _zip_names(path: Path) -> set[str]:
    # The directory is read into memory whole; a hostile one lists millions of entries.
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _ZIP_END_BYTES))
        tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or int.from_bytes(tail[end + 10 : end + 12], "little") > _MAX_ZIP_ENTRIES:
        return set()
    try:
        with zipfile.ZipFile(path) as archive:
            return set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return set()


def _refuse_encrypted_office(path: Path) -> None:
    if _ENCRYPTED_OFFICE in path.read_bytes():
        raise PasswordRequiredError(
            "the Office document is encrypted; upload a copy that opens without a password"
        )


def _is_text(head: bytes) -> bool:
    if head.startswith(_WIDE_MARKS) or looks_like_utf16(head):
        return True
    return not _CONTROL.search(head)


def _text_type(head: bytes, name: str) -> str:
    if _HTML_START.match(_narrow(head)):
        return HTML
    by_name = _BY_SUFFIX.get(Path(name).suffix.lower(), PLAIN)
    if by_name == HTML and not _HTML_TAG.search(_narrow(head)):
        return PLAIN
    return by_name


def _narrow(head: bytes) -> bytes:
    # markup is ASCII in every encoding once the zero bytes and the marks are gone
    return head.replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe")


def _describe(head: bytes) -> str:
    try:
        return puremagic.magic_string(head)[0].name or "a binary file"
    except (puremagic.PureError, ValueError, IndexError):
        return "a binary file"
