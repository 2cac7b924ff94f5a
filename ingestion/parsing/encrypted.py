"""Office files under a password: opened, then read as what is inside. Alone in knowing msoffcrypto.

The clear copy is a temporary file of the parser's process, and gone before its text is handed over.
"""

import errno
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Final

from msoffcrypto.exceptions import (
    DecryptionError,
    FileFormatError,
    InvalidKeyError,
    ParseError,
)
from msoffcrypto.format.ooxml import OOXMLFile

from ingestion.errors import (
    DocumentTooLargeError,
    PasswordRequiredError,
    PasswordWrongError,
    UnreadableDocumentError,
    UnsupportedMediaTypeError,
)
from ingestion.parsing import archives, formats, office, slides
from ingestion.parsing.document import ParsedDocument, ParseLimits, Parser, Report

# Excel encrypts a workbook that is only protected against changes with this one, and opens it
# unasked.
_NOBODYS_PASSWORD: Final = "VelvetSweatshop"  # noqa: S105 - published in [MS-OFFCRYPTO]
_PARSERS: Final[Mapping[str, Parser]] = {
    formats.DOCX: office.parse_docx,
    formats.PPTX: slides.parse,
    formats.XLSX: office.parse_xlsx,
}


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
            _decrypt(_open(source, password), clear)
        found = archives.find_type(clear)
        if found not in _PARSERS:
            raise UnsupportedMediaTypeError(f"what is encrypted is {found or 'no document'}")
        return _PARSERS[found](clear, limits, report)


def _open(source: BinaryIO, password: str | None) -> Any:
    try:
        sealed = OOXMLFile(source)
        for candidate in filter(None, (password, _NOBODYS_PASSWORD)):
            try:
                sealed.load_key(password=candidate, verify_password=True)
            except InvalidKeyError:
                continue
            return sealed
    except (DecryptionError, FileFormatError, ParseError) as error:
        raise UnreadableDocumentError(f"the file cannot be decrypted: {error}") from error
    if password is None:
        raise PasswordRequiredError("the Office file is encrypted and came without its password")
    raise PasswordWrongError("the password does not open the Office file")


def _decrypt(sealed: Any, clear: Path) -> None:
    try:
        with clear.open("wb") as file:
            sealed.decrypt(file)
    except DecryptionError as error:
        raise UnreadableDocumentError(
            "the file is damaged: its password opens it to nothing that can be read"
        ) from error
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise DocumentTooLargeError(
                "the decrypted file is larger than a parser may write "
                "(CIMIENTO_INGESTION__MAX_TEXT_CHARS)"
            ) from error
        raise
