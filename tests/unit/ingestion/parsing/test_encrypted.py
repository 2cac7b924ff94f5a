"""Office files under a password open with it, and say so when it is missing or wrong."""

import tempfile
from pathlib import Path

import pytest

from core.errors import CimientoError
from ingestion.errors import (
    PasswordRequiredError,
    PasswordWrongError,
    UnreadableDocumentError,
    UnsupportedMediaTypeError,
)
from ingestion.media_types import detect_media_type
from ingestion.parsing.child import load_parser
from ingestion.parsing.document import ParsedDocument
from tests.unit.ingestion import files, office_files, old_slides
from tests.unit.ingestion.house import LIMITS

PASSWORD = "ñandú 7"
WORKBOOK = office_files.build_xlsx("Hoja", [["celda", "dos"]])
_DATA = Path(__file__).parent.parent / "data"
# as LibreOffice 7.4 saves them with this password
OLD_DOCUMENT = (_DATA / "secret.doc").read_bytes()
OLD_WORKBOOK = (_DATA / "secret.xls").read_bytes()
OLD_SLIDES = old_slides.build_ppt("slide words", PASSWORD)


def _parse(tmp_path: Path, data: bytes, password: str | None = None) -> ParsedDocument:
    path = tmp_path / "file"
    path.write_bytes(data)
    return load_parser(detect_media_type(path, "file"), password)(path, LIMITS, lambda *_: None)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (files.build_docx(), "| 8420 | Servidor |"),
        (office_files.build_pptx([office_files.text_box("slide words")]), "slide words"),
        (WORKBOOK, "| celda | dos |"),
    ],
    ids=["docx", "pptx", "xlsx"],
)
def test_an_encrypted_file_reads_as_the_clear_one(tmp_path: Path, data: bytes, words: str) -> None:
    sealed = _parse(tmp_path, office_files.encrypt(data, PASSWORD), PASSWORD)
    assert words in sealed.text
    assert sealed == _parse(tmp_path, data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (OLD_DOCUMENT, "Cada persona tiene 25 días de vacaciones al año."),
        (OLD_SLIDES, "slide words"),
        (OLD_WORKBOOK, "| celda | dos |"),
    ],
    ids=["doc", "ppt", "xls"],
)
def test_an_old_file_opens_with_its_password(tmp_path: Path, data: bytes, words: str) -> None:
    assert words in _parse(tmp_path, data, PASSWORD).text


def test_a_password_that_an_old_file_does_not_need_is_of_no_account(tmp_path: Path) -> None:
    slides = _parse(tmp_path, old_slides.build_ppt("slide words"), PASSWORD)
    assert slides.text == "slide words"


@pytest.mark.parametrize(
    ("password", "error"),
    [(None, PasswordRequiredError), ("nandu 7", PasswordWrongError)],
)
@pytest.mark.parametrize(
    "data",
    [office_files.encrypt(WORKBOOK, PASSWORD), OLD_DOCUMENT, OLD_SLIDES, OLD_WORKBOOK],
    ids=["zipped", "doc", "ppt", "xls"],
)
def test_without_the_right_password_it_stays_closed(
    tmp_path: Path, data: bytes, password: str | None, error: type[CimientoError]
) -> None:
    with pytest.raises(error) as caught:
        _parse(tmp_path, data, password)
    assert "7" not in str(caught.value)


@pytest.mark.parametrize(
    "data", [OLD_DOCUMENT, OLD_SLIDES, OLD_WORKBOOK], ids=["doc", "ppt", "xls"]
)
def test_damage_in_an_old_file_is_told_or_read_past(tmp_path: Path, data: bytes) -> None:
    told = []
    for start in range(512, len(data), 256):
        damaged = data[:start] + b"\xff" * 64 + data[start + 64 :]
        try:
            _parse(tmp_path, damaged, PASSWORD)
        except CimientoError as error:
            told.append(type(error))
    assert UnreadableDocumentError in told or PasswordWrongError in told


def test_a_workbook_that_excel_opens_unasked_opens_unasked(tmp_path: Path) -> None:
    sealed = office_files.encrypt(WORKBOOK, "VelvetSweatshop")
    assert "celda" in _parse(tmp_path, sealed).text
    assert "celda" in _parse(tmp_path, sealed, "another").text


@pytest.mark.parametrize(
    ("inside", "error"),
    [
        (files.build_zip(["notes.txt"]), UnsupportedMediaTypeError),
        (office_files.build_odt(), UnsupportedMediaTypeError),
        (b"no zip file at all", UnreadableDocumentError),
    ],
    ids=["some zip", "another format", "damage"],
)
def test_what_is_no_office_file_inside_is_refused(
    tmp_path: Path, inside: bytes, error: type[CimientoError]
) -> None:
    with pytest.raises(error):
        _parse(tmp_path, office_files.encrypt(inside, PASSWORD), PASSWORD)


def test_no_clear_copy_stays_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    _parse(tmp_path, office_files.encrypt(WORKBOOK, PASSWORD), PASSWORD)
    with pytest.raises(UnsupportedMediaTypeError):
        _parse(tmp_path, office_files.encrypt(office_files.build_odt(), PASSWORD), PASSWORD)
    assert list(scratch.iterdir()) == []
