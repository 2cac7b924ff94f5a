"""Office files under a password: opened, then read as what is inside. Alone in knowing msoffcrypto.

The clear copy is a temporary file of the parser's process, and gone before its text is handed over.
"""

import errno
import struct
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Final

from msoffcrypto.exceptions import (
    DecryptionError,
    FileFormatError,
    InvalidKeyError,
    ParseError,
)
from msoffcrypto.format.doc97 import Doc97File
from msoffcrypto.format.ooxml import OOXMLFile
from msoffcrypto.format.ppt97 import Ppt97File
from msoffcrypto.format.xls97 import Xls97File

from ingestion.errors import (
    DocumentTooLargeError,
    PasswordRequiredError,
    PasswordWrongError,
    UnreadableDocumentError,
    UnsupportedMediaTypeError,
)
from ingestion.parsing import archives, formats, office, slides
from ingestion.parsing.document import ParsedDocument, ParseLimits, Parser, Report

Seal = Callable[[BinaryIO], Any]
"""What opens one family of files: `is_encrypted`, `load_key` and `decrypt` of msoffcrypto."""

# Excel encrypts a workbook that is only protected against changes with this one, and opens it
# unasked.
_NOBODYS_PASSWORD: Final = "VelvetSweatshop"  # noqa: S105 - published in [MS-OFFCRYPTO]
_ZIPPED: Final[Mapping[str, Parser]] = {
    formats.DOCX: office.parse_docx,
    formats.PPTX: slides.parse,
    formats.XLSX: office.parse_xlsx,
}
_COMPOUND: Final[Mapping[str, tuple[Seal, Parser]]] = {
    formats.DOC: (Doc97File, office.parse_doc),
    formats.PPT: (Ppt97File, office.parse_ppt),
    formats.XLS: (Xls97File, office.parse_xls),
}
# What reading a damaged file raises there: its own errors, and those of bytes that it trusts.
_DAMAGE: Final = (
    AssertionError,
    AttributeError,  # an encryption that it knows and cannot undo
    DecryptionError,
    FileFormatError,
    LookupError,
    ParseError,
    ValueError,
    struct.error,
)


def parse(
    path: Path, limits: ParseLimits, report: Report, *, password: str | None = None
) -> ParsedDocument:
    """Read a DOCX, PPTX or XLSX that is encrypted as a whole.

    Raises `PasswordRequiredError`, `PasswordWrongError`, `UnreadableDocumentError` for damage and
    encryption of other kinds, `UnsupportedMediaTypeError` for what is something else inside, and
    what its parser raises.
    """
    with TemporaryDirectory() as folder:
        clear = Path(folder) / "clear"
        with path.open("rb") as source:
            _open(OOXMLFile, source, clear, password)
        found = archives.find_type(clear)
        if found not in _ZIPPED:
            raise UnsupportedMediaTypeError(f"what is encrypted is {found or 'no document'}")
        return _ZIPPED[found](clear, limits, report)


def _parse_compound(
    path: Path,
    limits: ParseLimits,
    report: Report,
    *,
    media_type: str,
    password: str | None = None,
) -> ParsedDocument:
    """Read a DOC, PPT or XLS, whose text may be encrypted. Raises what `parse` raises."""
    seal, parse_clear = _COMPOUND[media_type]
    with TemporaryDirectory() as folder:
        clear = Path(folder) / "clear"
        with path.open("rb") as source:
            is_sealed = _is_sealed(seal, source)
            if is_sealed:
                _open(seal, source, clear, password)
        return parse_clear(clear if is_sealed else path, limits, report)


parse_doc = partial(_parse_compound, media_type=formats.DOC)
parse_ppt = partial(_parse_compound, media_type=formats.PPT)
parse_xls = partial(_parse_compound, media_type=formats.XLS)


def _is_sealed(seal: Seal, source: BinaryIO) -> bool:
    # What cannot even be asked, such as a workbook of 1995, is for its parser to judge.
    try:
        return bool(seal(source).is_encrypted())
    except (*_DAMAGE, OSError):
        return False


def _open(seal: Seal, source: BinaryIO, clear: Path, password: str | None) -> None:
    try:
        sealed = _unlocked(seal(source), password)
        with clear.open("wb") as file:
            sealed.decrypt(file)
    except _DAMAGE as error:
        raise UnreadableDocumentError(
            "the file cannot be decrypted: it is damaged, or encrypted in a way that is not known"
        ) from error
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise DocumentTooLargeError(
                "the decrypted file is larger than a parser may write "
                "(CIMIENTO_INGESTION__MAX_TEXT_CHARS)"
            ) from error
        if error.errno is None:  # not the system's: what olefile says of damage
            raise UnreadableDocumentError("the file is damaged") from error
        raise


def _unlocked(sealed: Any, password: str | None) -> Any:
    # Old files verify a password whenever it is loaded, the others when asked to.
    options = {"verify_password": True} if isinstance(sealed, OOXMLFile) else {}
    for candidate in filter(None, (password, _NOBODYS_PASSWORD)):
        try:
            sealed.load_key(password=candidate, **options)
        except InvalidKeyError:
            continue
        return sealed
    if password is None:
        raise PasswordRequiredError("the Office file is encrypted and came without its password")
    raise PasswordWrongError("the password does not open the Office file")
