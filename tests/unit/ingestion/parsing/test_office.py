"""Office files and books: text, tables and places survive; what is broken says so."""

from dataclasses import replace
from pathlib import Path

import pytest

from ingestion.errors import DocumentTooLargeError, UnreadableDocumentError
from ingestion.media_types import detect_media_type
from ingestion.parsing.child import load_parser
from ingestion.parsing.document import ParsedDocument, ParseLimits
from tests.unit.ingestion import files, office_files
from tests.unit.ingestion.house import LIMITS


def _parse(tmp_path: Path, data: bytes, limits: ParseLimits = LIMITS) -> ParsedDocument:
    path = tmp_path / "file"
    path.write_bytes(data)
    return load_parser(detect_media_type(path, "file"))(path, limits, lambda *_: None)


def _headings(parsed: ParsedDocument) -> list[tuple[int, str]]:
    return [(heading.level, heading.title) for heading in parsed.headings]


def test_docx_keeps_headings_lists_and_tables(tmp_path: Path) -> None:
    parsed = _parse(tmp_path, files.build_docx())
    assert _headings(parsed) == [(1, "Guía"), (2, "Instalación")]
    assert "- Descargue el programa" in parsed.text
    assert "| 8420 | Servidor |" in parsed.text


def test_odt_keeps_headings_lists_and_tables(tmp_path: Path) -> None:
    parsed = _parse(tmp_path, office_files.build_odt())
    assert _headings(parsed) == [(1, "Guía"), (2, "Puertos")]
    assert "Hola <mundo>, ¡bien!\n\n- uno" in parsed.text
    assert "| Puerto | Uso |\n| --- | --- |\n| 8420 | Servidor |" in parsed.text


def test_rtf_keeps_letters_and_tables(tmp_path: Path) -> None:
    text = _parse(tmp_path, office_files.RTF).text
    assert "La instalación cuesta 5 €." in text
    assert "| 8420 | Servidor |" in text


def test_the_chapters_of_a_book_are_its_headings(tmp_path: Path) -> None:
    parsed = _parse(tmp_path, office_files.build_epub({"Uno": "El año.", "Dos": "El fin."}))
    assert _headings(parsed) == [(1, "Uno"), (1, "Dos")]
    assert parsed.text[parsed.headings[1].offset :] == "# Dos\n\nEl fin."


def test_the_sheets_of_a_workbook_are_its_headings_and_empty_rows_are_left_out(
    tmp_path: Path,
) -> None:
    rows = (("Mes", "Total"), ("enero", "1.50"), ("", ""), ("", "2"))
    parsed = _parse(tmp_path, office_files.build_xlsx("Ventas 2026", rows))
    assert _headings(parsed) == [(2, "Ventas 2026")]
    table = "| Mes | Total |\n| --- | --- |\n| enero | 1.50 |\n|  | 2 |"
    assert parsed.text == f"## Ventas 2026\n\n{table}"


def test_every_slide_is_a_page_and_no_word_is_cut(tmp_path: Path) -> None:
    first = office_files.text_box("Let|ters", "sec|ond") + office_files.text_box(
        "First|  slide", kind="title"
    )
    second = office_files.slide_table((("Port", "Use"), ("8420", "Ser|ver")))
    parsed = _parse(tmp_path, office_files.build_pptx([first, "", second], notes="Say it slowly."))
    one, empty, two = parsed.page_starts
    assert parsed.text[one:empty].strip() == "## First slide\n\nLetters\nsecond"
    assert parsed.text[empty:two] == ""
    assert parsed.text[two:] == (
        "| Port | Use |\n| --- | --- |\n| 8420 | Server |\n\nNotes: Say it slowly."
    )
    assert _headings(parsed) == [(2, "First slide")]


def test_the_paragraphs_of_a_slides_body_are_a_list(tmp_path: Path) -> None:
    body = office_files.text_box("one", "two", kind="body")
    assert _parse(tmp_path, office_files.build_pptx([body])).text == "- one\n- two"


def test_too_many_slides_are_refused(tmp_path: Path) -> None:
    data = office_files.build_pptx([office_files.text_box("x")] * 3)
    with pytest.raises(DocumentTooLargeError, match="3 slides"):
        _parse(tmp_path, data, replace(LIMITS, max_pages=2))


@pytest.mark.parametrize(
    "data",
    [files.build_docx()[:3000], files.build_zip(["ppt/presentation.xml"])],
    ids=["docx", "pptx"],
)
def test_broken_files_are_unreadable(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    media_type = (
        detect_media_type(path, "file")
        if b"ppt/" in data
        else "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    )
    with pytest.raises(UnreadableDocumentError):
        load_parser(media_type)(path, LIMITS, lambda *_: None)


def test_what_unpacks_without_end_is_too_large(tmp_path: Path) -> None:
    with pytest.raises(DocumentTooLargeError):
        _parse(tmp_path, files.build_zip_bomb())


def test_an_entity_of_a_slide_is_not_resolved(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("nobody may read this")
    slide = office_files.text_box("before &x; after")
    data = office_files.build_pptx([slide])
    evil = f'<!DOCTYPE p [<!ENTITY x SYSTEM "file://{secret}">]>'
    bad = office_files.change_part(data, "ppt/slides/slide1.xml", lambda part: evil.encode() + part)
    assert "nobody" not in _parse(tmp_path, bad).text
