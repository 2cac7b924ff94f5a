"""Zip-based formats: what they hold, and the refusal of those that unpack without end."""

import re
import zipfile
from pathlib import Path
from typing import Final

from ingestion.errors import DocumentTooLargeError, UnreadableDocumentError
from ingestion.parsing.formats import DOCX, EPUB, ODT, PPTX, XLSX

DAMAGED: Final = (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError)
"""What `zipfile` raises for a broken, encrypted or unknown kind of archive."""

_MAX_ENTRIES: Final = 10_000
_END_BYTES: Final = 66_000  # the end record and the longest comment after it
_MIMETYPE: Final = "mimetype"
_MAX_MIMETYPE_BYTES: Final = 128
# Markup takes several times the length of its text.
_BYTES_PER_CHAR: Final = 10
_BYTES_LEAST: Final = 64 * 1024 * 1024
# What no parser here unpacks.
_MEDIA: Final = (
    *(".bmp", ".emf", ".gif", ".jpeg", ".jpg", ".png", ".svg", ".tif", ".tiff", ".webp", ".wmf"),
    *(".m4a", ".m4v", ".mov", ".mp3", ".mp4", ".wav"),
    *(".otf", ".ttf", ".woff", ".woff2"),
)


# The part that makes a zip file a document; some programs number it.
_PARTS: Final = (
    (re.compile(r"word/document\d*\.xml"), DOCX),
    (re.compile(r"ppt/presentation\d*\.xml"), PPTX),
    (re.compile(r"xl/workbook\d*\.xml"), XLSX),
)
_DECLARED: Final = {EPUB: EPUB, ODT: ODT, f"{ODT}-template": ODT}


def find_type(path: Path) -> str:
    """The media type of a document that is an archive, or ""."""
    entries = _list_entries(path)
    for part, media_type in _PARTS:
        if any(map(part.fullmatch, entries)):
            return media_type
    return _DECLARED.get(_declared_type(path), "") if entries else ""


def refuse_bomb(path: Path, *, max_text_chars: int) -> None:
    """Refuse an archive whose parts would unpack to far more than a text of the limit's length.

    Raises `DocumentTooLargeError`, `UnreadableDocumentError` for a damaged archive.
    """
    max_bytes = max(_BYTES_LEAST, max_text_chars * _BYTES_PER_CHAR)
    try:
        with zipfile.ZipFile(path) as archive:
            num_bytes = sum(
                entry.file_size
                for entry in archive.infolist()
                if not entry.filename.lower().endswith(_MEDIA)
            )
    except DAMAGED as error:
        raise UnreadableDocumentError(f"the file is damaged: {error}") from error
    if num_bytes > max_bytes:
        raise DocumentTooLargeError(
            f"the file unpacks to {num_bytes} bytes, the limit is {max_bytes}"
        )


def _list_entries(path: Path) -> set[str]:
    """The names in the archive; none where it is damaged or names too many."""
    # The directory is read into memory whole; a hostile one lists millions of entries.
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _END_BYTES))
        tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or int.from_bytes(tail[end + 10 : end + 12], "little") > _MAX_ENTRIES:
        return set()
    try:
        with zipfile.ZipFile(path) as archive:
            return set(archive.namelist())
    except DAMAGED:
        return set()


def _declared_type(path: Path) -> str:
    """The media type that EPUB and OpenDocument files carry in a file of their own, or ""."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(_MIMETYPE) as entry:
            return entry.read(_MAX_MIMETYPE_BYTES).decode("ascii", "replace").strip()
    except (*DAMAGED, KeyError):
        return ""
