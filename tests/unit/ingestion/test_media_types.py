"""The bytes decide what a file is; the name only between kinds of text."""

from pathlib import Path

import pytest

from core.errors import CimientoError
from ingestion.errors import (
    EmptyDocumentError,
    UnsupportedMediaTypeError,
)
from ingestion.media_types import detect_media_type
from ingestion.parsing.formats import (
    CSV,
    DOC,
    DOCX,
    EML,
    ENCRYPTED,
    EPUB,
    HTML,
    JSON,
    JSONL,
    MARKDOWN,
    MSG,
    ODT,
    PDF,
    PLAIN,
    PPT,
    PPTX,
    RTF,
    TSV,
    XLS,
    XLSX,
)
from tests.unit.ingestion import files, office_files

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def _detect(tmp_path: Path, data: bytes, name: str) -> str:
    path = tmp_path / "incoming"
    path.write_bytes(data)
    return detect_media_type(path, name)


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.pdf", files.build_pdf([["x"]]), PDF),
        ("a.txt", files.build_pdf([["x"]]), PDF),
        ("a.pdf", b"\x00\x01junk before\n%PDF-1.4", PDF),
        ("notes.txt", b"a PDF begins with %PDF-1.4, they say", PLAIN),
        ("a.bin", files.build_docx(), DOCX),
        ("a.md", b"# Title\n\ntext", MARKDOWN),
        ("a.MD", b"<div align=center><h1>Readme</h1></div>", MARKDOWN),
        ("a.md", b"<!doctype html><html></html>", HTML),
        ("a.txt", b"# Title", PLAIN),
        ("page", b"\xef\xbb\xbf <!-- c --> <!DOCTYPE HTML><p>x", HTML),
        ("page.html", "<html><p>ñ</p></html>".encode("utf-16"), HTML),
        ("page.htm", b"<p>fragment</p>", HTML),
        ("page.html", b"no markup at all", PLAIN),
        ("data.csv", b"a,b\n1,2\n", CSV),
        ("data.tsv", b"a\tb\n1\t2\n", TSV),
        ("data.txt", b"a,b\n1,2\n", PLAIN),
        ("data.json", b' {"a": 1}', JSON),
        ("data.jsonl", b'{"a": 1}\n{"a": 2}\n', JSONL),
        ("data.json", b"words", PLAIN),
        ("a.txt", office_files.build_xlsx("S", [["x"]]), XLSX),
        ("a", office_files.build_pptx([]), PPTX),
        ("a.zip", office_files.build_odt(), ODT),
        ("a.zip", office_files.build_epub({"T": "x"}), EPUB),
        ("a.doc", office_files.RTF, RTF),
        ("a.xls", office_files.build_compound({"WordDocument": b"x"}), DOC),
        ("a.doc", office_files.build_compound({"Workbook": b"x"}), XLS),
        ("a.doc", office_files.build_compound({"Book": b"x"}), XLS),
        ("a.bin", office_files.build_compound({"PowerPoint Document": b"x"}), PPT),
        ("a.docx", office_files.build_compound({"EncryptedPackage": b"x"}), ENCRYPTED),
        ("a.eml", office_files.build_msg("s", "b", []), MSG),
        ("a.txt", office_files.build_mail("words"), EML),
        ("a.eml", b"Subject: hello\n\nwords", EML),
        ("a.txt", b"Subject: hello\n\nwords", PLAIN),
        ("a.eml", b"just words", PLAIN),
        ("main.py", b"print('hi')\n", PLAIN),
        ("latin.txt", "el año que viene".encode("latin-1"), PLAIN),
        ("wide.txt", "el año que viene".encode("utf-16-le"), PLAIN),
    ],
)
def test_the_bytes_decide(tmp_path: Path, name: str, data: bytes, expected: str) -> None:
    assert _detect(tmp_path, data, name) == expected


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        ("a.txt", b"", EmptyDocumentError),
        ("a.txt", b"\x7fELF\x02\x01\x01\x00binary", UnsupportedMediaTypeError),
        ("a.pdf", b"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00", UnsupportedMediaTypeError),
        ("a.docx", files.build_zip(["word/x.xml"]), UnsupportedMediaTypeError),
        ("a.docx", b"PK\x03\x04 cut off", UnsupportedMediaTypeError),
        ("a.zip", files.build_zip([f"{n}" for n in range(10_001)]), UnsupportedMediaTypeError),
        ("a.ps", b"%!PS-Adobe-3.0", UnsupportedMediaTypeError),
        ("a.doc", OLE + bytes(64), UnsupportedMediaTypeError),
        ("a.doc", office_files.build_compound({"Other": b"x"}), UnsupportedMediaTypeError),
    ],
)
def test_what_cannot_be_read_is_refused(
    tmp_path: Path, name: str, data: bytes, error: type[CimientoError]
) -> None:
    with pytest.raises(error):
        _detect(tmp_path, data, name)
