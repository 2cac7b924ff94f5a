"""Every format gives text whose places can be trusted, or a clear error."""

from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import CimientoError
from ingestion.errors import (
    DocumentTooLargeError,
    NoTextFoundError,
    PasswordRequiredError,
    PasswordWrongError,
    UnreadableDocumentError,
)
from ingestion.parsing import html, markdown, pdf, plain
from ingestion.parsing.document import ParsedDocument, ParseLimits
from tests.unit.ingestion import files
from tests.unit.ingestion.house import LIMITS

PAGES = (
    ("Chapter one", "The river rises in the hills."),
    ("Chapter two", "It ends in the sea."),
)


def _write(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "file"
    path.write_bytes(data)
    return path


def _ignore(_done: int, _total: int) -> None:
    pass


def _plain(tmp_path: Path, data: bytes) -> ParsedDocument:
    return plain.parse(_write(tmp_path, data), LIMITS, _ignore)


def _pdf(tmp_path: Path, data: bytes, limits: ParseLimits = LIMITS) -> ParsedDocument:
    return pdf.parse(_write(tmp_path, data), limits, _ignore)


def _html(tmp_path: Path, data: bytes) -> ParsedDocument:
    return html.parse(_write(tmp_path, data), LIMITS, _ignore)


def test_pdf_text_keeps_its_pages(tmp_path: Path) -> None:
    parsed = _pdf(tmp_path, files.build_pdf(PAGES))
    first, second = parsed.page_starts
    assert parsed.text[first:second].split("\n")[:2] == list(PAGES[0])
    assert parsed.text[second:].split("\n") == list(PAGES[1])


def test_pdf_lines_have_rectangles_from_the_top_left(tmp_path: Path) -> None:
    parsed = _pdf(tmp_path, files.build_pdf(PAGES))
    box = parsed.line_boxes[1]
    assert parsed.text[box.start : box.end] == PAGES[0][1]
    assert box.page == 1
    assert box.x0 == pytest.approx(72, abs=2)
    # the baseline is 750 points above the bottom of a page of 842
    assert box.y0 < 842 - 750 < box.y1 + 3
    assert parsed.line_boxes[-1].page == 2


@pytest.mark.parametrize("given", ["secret", "\N{FULLWIDTH LATIN SMALL LETTER S}ec\xadret"])
def test_pdf_opens_with_its_password_however_it_was_typed(tmp_path: Path, given: str) -> None:
    path = _write(tmp_path, files.build_pdf(PAGES, password="secret"))
    assert PAGES[0][0] in pdf.parse(path, LIMITS, _ignore, password=given).text


def test_pdf_that_needs_no_password_ignores_one(tmp_path: Path) -> None:
    path = _write(tmp_path, files.build_pdf(PAGES))
    assert PAGES[0][0] in pdf.parse(path, LIMITS, _ignore, password="whatever").text


def test_pdf_with_a_wrong_password_says_so(tmp_path: Path) -> None:
    path = _write(tmp_path, files.build_pdf(PAGES, password="secret"))
    with pytest.raises(PasswordWrongError) as caught:
        pdf.parse(path, LIMITS, _ignore, password="Secret")
    assert "Secret" not in str(caught.value)


def test_rotated_page_has_its_rectangles_rotated(tmp_path: Path) -> None:
    box = _pdf(tmp_path, files.build_rotated_pdf("sideways")).line_boxes[0]
    # turned clockwise, what ran along the top runs down the right side of a page 842 wide
    assert box.x0 > 842 - 100
    assert box.y0 == pytest.approx(72, abs=2)
    assert box.y1 - box.y0 > box.x1 - box.x0


def test_pdf_outline_gives_headings_at_their_lines(tmp_path: Path) -> None:
    parsed = _pdf(tmp_path, files.build_pdf(PAGES, outline=True))
    assert [parsed.text[h.offset :].split("\n")[0] for h in parsed.headings] == [
        "Chapter one",
        "Chapter two",
    ]


def test_pdf_reports_every_page(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = _write(tmp_path, files.build_pdf(PAGES))
    pdf.parse(path, LIMITS, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (files.build_pdf(PAGES, password="secret"), PasswordRequiredError),
        (files.build_scan(), NoTextFoundError),
        (b"%PDF-1.7\n nothing of a PDF follows", UnreadableDocumentError),
        (files.build_pdf(PAGES)[:400], UnreadableDocumentError),
    ],
    ids=["encrypted", "scan", "broken", "cut off"],
)
def test_pdf_that_cannot_be_read_says_why(
    tmp_path: Path, data: bytes, error: type[CimientoError]
) -> None:
    with pytest.raises(error):
        _pdf(tmp_path, data, replace(LIMITS, ocr=False))


def test_too_many_pages_and_too_much_text_are_refused(tmp_path: Path) -> None:
    data = files.build_pdf(PAGES)
    with pytest.raises(DocumentTooLargeError, match="2 pages"):
        _pdf(tmp_path, data, replace(LIMITS, max_pages=1))
    with pytest.raises(DocumentTooLargeError, match="MAX_TEXT_CHARS"):
        _pdf(tmp_path, data, replace(LIMITS, max_text_chars=20))


def test_markdown_is_kept_as_it_is_and_its_headings_are_found(tmp_path: Path) -> None:
    source = (
        "---\ntitle: no # heading\n---\n# Guía { #guia }\n\nTexto.\n\n```sh\n# no heading\n```\n\n"
        "Título dos\n----------\n\n### A [link](x.md) and `code` ###\n# C#\n- item\n---\n#nospace\n"
    )
    path = _write(tmp_path, source.encode())
    parsed = markdown.parse(path, LIMITS, _ignore)
    assert parsed.text == source
    assert [(h.level, h.title) for h in parsed.headings] == [
        (1, "Guía"),
        (2, "Título dos"),
        (3, "A link and code"),
        (1, "C#"),
    ]
    assert parsed.text[parsed.headings[1].offset :].startswith("Título dos\n---")


def test_an_unclosed_fence_hides_headings_to_the_end() -> None:
    assert list(markdown.find_headings("````\n```\n# no\n")) == []
    assert [h.title for h in markdown.find_headings("```\n# no\n```\n# yes\n")] == ["yes"]


PAGE = """<!DOCTYPE html><html><head><title>x</title></head><body>
<nav><a href="/">Inicio</a> <a href="/otros">Otros</a></nav>
<main><h1>Gu&iacute;a de uso</h1>
<p>El caf&eacute; &amp; el t&eacute; son bebidas apreciadas en toda la regi&oacute;n del norte.</p>
<h2>Instalaci&oacute;n</h2>
<p>Para instalar el programa siga con cuidado los pasos que se describen a continuaci&oacute;n.</p>
</main><script>alert("never")</script></body></html>"""


def test_html_gives_the_main_text_with_its_entities_and_headings(tmp_path: Path) -> None:
    parsed = _html(tmp_path, PAGE.encode())
    assert "El café & el té son bebidas" in parsed.text
    assert [h.title for h in parsed.headings] == ["Guía de uso", "Instalación"]
    assert "never" not in parsed.text


def test_html_declares_its_charset(tmp_path: Path) -> None:
    page = PAGE.replace("<title>", "<meta charset=iso-8859-1><title>").replace("&eacute;", "é")
    assert "El café & el té" in _html(tmp_path, page.encode("latin-1")).text


def test_html_without_main_text_gives_what_is_visible(tmp_path: Path) -> None:
    parsed = _html(tmp_path, b"<div><a href=x>one</a></div><ul><li>two<li>three</ul>")
    assert {"one", "two", "three"} <= set(parsed.text.replace("-", " ").split())


@pytest.mark.parametrize(
    "data", [b"<html></html>", b"<!doctype html>", b"<html><script>x</script>"]
)
def test_empty_html_gives_no_text(tmp_path: Path, data: bytes) -> None:
    assert not _html(tmp_path, data).text.strip()


SPANISH = (
    "El año pasado, la señora Muñoz viajó a Logroño para estudiar la acción de los pingüinos.\n"
    "¿Qué encontró allí? Encontró más preguntas que respuestas, según escribió después.\n"
)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be"]
)
def test_text_is_read_in_any_common_encoding(tmp_path: Path, encoding: str) -> None:
    assert _plain(tmp_path, SPANISH.encode(encoding)).text == SPANISH


@pytest.mark.parametrize("text", ["año", "¿Qué?", "«sí» … 5 €", "São João, så, æøå, bœuf"[:18]])
def test_a_short_note_in_spanish_is_not_taken_for_chinese(tmp_path: Path, text: str) -> None:
    assert _plain(tmp_path, text.encode("cp1252")).text == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。", "shift_jis"),
        ("Zażółć gęślą jaźń, powiedział król do królowej. ", "cp1250"),
    ],
)
def test_other_scripts_are_recognised_when_there_is_enough(
    tmp_path: Path, text: str, encoding: str
) -> None:
    assert _plain(tmp_path, (text * 4).encode(encoding)).text == text * 4


def test_text_loses_controls_and_gets_one_kind_of_newline(tmp_path: Path) -> None:
    parsed = _plain(tmp_path, b"one\r\ntwo\rthree\x07\x0cfour\x1b[0m\x00")
    assert parsed.text == "one\ntwo\nthree\nfour[0m"


def test_letters_and_their_accents_are_composed(tmp_path: Path) -> None:
    assert _plain(tmp_path, "cafe\u0301".encode()).text == "café"


def test_what_a_parser_returns_survives_the_way_to_disk(tmp_path: Path) -> None:
    parsed = _pdf(tmp_path, files.build_pdf(PAGES, outline=True))
    assert ParsedDocument.from_json(parsed.to_json()) == parsed
