"""Bytes to text, and text made fit to be stored. Pure; guesses an encoding, never a meaning."""

import codecs
import re
import unicodedata
from typing import Final

from charset_normalizer import from_bytes

from ingestion.errors import DocumentTooLargeError, UnreadableDocumentError

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins with that one's
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# C0 and C1 controls but tab and newline, lone surrogates, the byte order mark, non-characters.
_UNWANTED: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")
_WESTERN: Final = frozenset(
    "áéíóúüñÁÉÍÓÚÜÑ¿¡ªº«»“”‘’–—…€·àèìòùâêîôûäëïöçÀÈÇÄÖß°§\xa0"  # noqa: RUF001
    "åæøãõÅÆØÃÕ£©®™½"
)
_GUESS_BYTES: Final = 1 << 18


def clean_text(text: str) -> str:
    """Normalise newlines to `\\n` and letters to NFC; drop what no reader should meet.

    Everything that counts offsets counts them in the result.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n").replace("\x85", "\n")
    return unicodedata.normalize("NFC", _UNWANTED.sub("", text))


def decode(data: bytes, *, declared: str | None = None) -> str:
    """Decode a text file: byte order mark, UTF-8, UTF-16, the declared charset, then a guess.

    Raises `UnreadableDocumentError` where nothing fits.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    wide = looks_like_utf16(data)
    for name in filter(None, (wide, "utf-8", declared)):
        try:
            return data.decode(name)
        except (UnicodeDecodeError, LookupError):
            continue
    return _guess(data)


def looks_like_utf16(data: bytes) -> str | None:
    """The codec of UTF-16 without a mark, seen by the zero half of its Latin letters, or None."""
    head = data[:4096]
    half = len(head) // 2
    if half == 0:
        return None
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if odd > half * 0.4 and even < half * 0.05:
        return "utf-16-le"
    if even > half * 0.4 and odd < half * 0.05:
        return "utf-16-be"
    return None


def refuse_long(text: str, max_chars: int) -> str:
    """The same text. Raises `DocumentTooLargeError` over the limit."""
    if len(text) > max_chars:
        raise DocumentTooLargeError(
            f"the text has {len(text)} characters, the limit is {max_chars} "
            "(CIMIENTO_INGESTION__MAX_TEXT_CHARS)"
        )
    return text


def _is_western(data: bytes) -> bool:
    # Statistics need more text than a short note in Spanish has; its letters do not.
    try:
        beyond_ascii = {char for char in data.decode("cp1252") if ord(char) > 0x7F}
    except UnicodeDecodeError:
        return False
    return beyond_ascii <= _WESTERN


def _guess(data: bytes) -> str:
    if _is_western(data):
        return data.decode("cp1252")
    # The guess is made on the beginning: on a whole large file it would take minutes.
    best = from_bytes(data[:_GUESS_BYTES]).best()
    if best is None:
        raise UnreadableDocumentError("the text is in no encoding that could be recognised")
    return data.decode(best.encoding, errors="replace")
