"""Whatever a file does to its parser, the service goes on and says what happened."""

import os
import platform
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import CimientoError
from ingestion.errors import (
    DocumentTooLargeError,
    NoTextFoundError,
    OcrNotInstalledError,
    ParseMemoryExceededError,
    ParserCrashedError,
    ParseTimeoutError,
    PasswordRequiredError,
    StageStalledError,
    UnreadableDocumentError,
)
from ingestion.media_types import detect_media_type
from ingestion.parsing.attachments import list_attachments
from ingestion.parsing.confinement import find_missing
from ingestion.parsing.document import ParseLimits
from ingestion.parsing.formats import EML, ENCRYPTED, PDF, PLAIN
from ingestion.parsing.sandbox import Sandbox
from tests.unit.ingestion import files, office_files
from tests.unit.ingestion.house import LIMITS

HOSTILE = "tests.integration.ingestion.hostile_parser"
SMALL = replace(LIMITS, memory_bytes=512 << 20)
ROOMY = replace(LIMITS, memory_bytes=2 << 30)
IMPATIENT = replace(SMALL, page_timeout_s=1.5)
SHORT = replace(SMALL, timeout_s=2.5)


def _parse(
    tmp_path: Path, data: bytes, media_type: str, sandbox: Sandbox, password: str | None = None
) -> str:
    source = tmp_path / "source"
    source.write_bytes(data)
    work = tmp_path / "work"
    work.mkdir()
    try:
        return sandbox.parse(
            source, media_type, folder=work, on_tick=lambda *_: None, password=password
        ).text
    finally:
        assert list(work.iterdir()) == []


@pytest.mark.parametrize(
    ("limits", "order", "error", "says"),
    [
        (IMPATIENT, "loop", StageStalledError, "PARSE_STALL_S"),
        (IMPATIENT, "sleep", StageStalledError, "1.5 s after page"),
        (SHORT, "creep", ParseTimeoutError, "PARSE_TIMEOUT_S"),
        (SMALL, "eat", ParseMemoryExceededError, "PARSE_MEMORY_BYTES"),
        (SMALL, "crash", ParserCrashedError, "SIGSEGV"),
        (SMALL, "mumble", ParserCrashedError, "makes no sense"),
        (SMALL, "vanish", ParserCrashedError, "status 3"),
        (ROOMY, "flood", DocumentTooLargeError, "too large"),
        (SMALL, "spawn", UnreadableDocumentError, "PermissionError"),
        (SMALL, "connect", UnreadableDocumentError, "PermissionError"),
        (SMALL, "raise", UnreadableDocumentError, "KeyError"),
    ],
)
def test_a_hostile_file_ends_in_a_clear_error(
    tmp_path: Path, limits: ParseLimits, order: str, error: type[CimientoError], says: str
) -> None:
    sandbox = Sandbox(limits, child_module=HOSTILE)
    with pytest.raises(error, match=says) as caught:
        _parse(tmp_path, order.encode(), PLAIN, sandbox)
    assert "words of the document" not in str(caught.value)


def test_a_parser_inherits_nothing_and_shows_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIMIENTO_SECRET", "x")
    text = _parse(tmp_path, b"look", PLAIN, Sandbox(SMALL, child_module=HOSTILE), "hunter2")
    assert "SECRET" not in text
    assert "hunter2" not in text
    assert text.endswith("files: ['stderr']")


def test_native_code_is_held_by_the_kernel(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    source, secret = tmp_path / "source", work / "secret"
    source.write_text("escape")
    secret.write_text("of another document")
    parsed = Sandbox(SMALL, child_module=HOSTILE).parse(
        source, PLAIN, folder=work, on_tick=lambda *_: None
    )
    missing = find_missing()
    assert "seccomp" not in missing or platform.machine() not in ("x86_64", "aarch64")
    worked = set(filter(None, parsed.text.removeprefix("worked: ").split(", ")))
    of_files = {"write", "append", "read", "environment"}
    assert worked <= (of_files if "landlock" in missing else set())
    assert (secret.read_text(), list(work.iterdir())) == ("of another document", [secret])


def test_an_outcome_that_is_no_file_of_the_parser_is_not_read(tmp_path: Path) -> None:
    text = _parse(tmp_path, b"elsewhere", PLAIN, Sandbox(SMALL, child_module=HOSTILE))
    assert text == "held"


def test_a_report_that_is_none_is_not_believed(tmp_path: Path) -> None:
    text = _parse(tmp_path, b"babble", PLAIN, Sandbox(SMALL, child_module=HOSTILE))
    assert text == "went on"


def test_cancelling_kills_the_parser(tmp_path: Path) -> None:
    source, work = tmp_path / "source", tmp_path / "work"
    source.write_text("sleep")
    work.mkdir()
    seen: list[tuple[int, int | None]] = []
    pids: list[int] = []

    def cancel(done: int, total: int | None) -> None:
        seen.append((done, total))
        if done:
            pids.extend(int(path.read_text()) for path in work.glob("parse-*/pid"))
            raise KeyboardInterrupt

    sandbox = Sandbox(LIMITS, child_module=HOSTILE)
    with pytest.raises(KeyboardInterrupt):
        sandbox.parse(source, PLAIN, folder=work, on_tick=cancel)
    assert seen[-1] == (1, 2)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
    assert list(work.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        ("a.pdf", b"%PDF-1.7 broken", UnreadableDocumentError),
        ("a.pdf", files.build_pdf([["x"]], password="secret"), PasswordRequiredError),
        ("a.pdf", files.build_scan(), NoTextFoundError),
        ("a.txt", b" \n\t\n", NoTextFoundError),
        ("a.html", b"<!doctype html><script>x</script>", NoTextFoundError),
        ("a.docx", files.build_zip_bomb(), DocumentTooLargeError),
        ("a.docx", files.build_zip(["word/document.xml"]), NoTextFoundError),
    ],
)
def test_a_bad_file_says_what_is_wrong_with_it(
    tmp_path: Path, name: str, data: bytes, error: type[CimientoError]
) -> None:
    source = tmp_path / name
    source.write_bytes(data)
    media_type = detect_media_type(source, name)
    with pytest.raises(error) as caught:
        _parse(tmp_path, data, media_type, Sandbox(LIMITS))
    assert len(str(caught.value)) > 10


def test_every_format_is_read_in_the_sandbox(tmp_path: Path) -> None:
    for name, data, words in (
        ("a.pdf", files.build_pdf([["The river rises"], ["and ends"]]), "and ends"),
        ("a.docx", files.build_docx(), "## Instalación"),
        ("a.html", b"<html><body><p>Caf&eacute; &amp; t&eacute;</p></body></html>", "Café & té"),
        ("a.md", b"# T\nwords", "# T"),
        ("a.txt", "año".encode("latin-1"), "año"),
        ("a.pptx", office_files.build_pptx([office_files.text_box("slide words")]), "slide words"),
        ("a.xlsx", office_files.build_xlsx("Hoja", [["celda", "dos"]]), "| celda | dos |"),
        ("a.odt", office_files.build_odt(), "## Puertos"),
        ("a.epub", office_files.build_epub({"Uno": "capítulo"}), "capítulo"),
        ("a.rtf", office_files.RTF, "instalación"),
        ("a.eml", office_files.build_mail("words of a mail"), "words of a mail"),
        ("a.msg", office_files.build_msg("s", "words of Outlook", []), "words of Outlook"),
        ("a.csv", b"a,b\n1,2", "| 1 | 2 |"),
        ("a.json", b'{"a": {"b": 1}}', "a.b: 1"),
        ("a.png", files.build_picture(["The river rises"]), "The river rises"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_bytes(data)
        media_type = detect_media_type(folder / name, name)
        assert words in _parse(folder, data, media_type, Sandbox(LIMITS))


def test_what_is_attached_is_left_beside_and_replaces_what_was_left_before(tmp_path: Path) -> None:
    source, work = tmp_path / "source", tmp_path / "work"
    work.mkdir()
    for attached in ([("a.txt", b"one"), ("../b.txt", b"two")], [("c.txt", b"three")], []):
        source.write_bytes(office_files.build_mail("words", attached))
        Sandbox(LIMITS).parse(source, EML, folder=work, on_tick=lambda *_: None)
        found = [(file.name, file.path.read_bytes()) for file in list_attachments(work)]
        assert found == [(name.removeprefix("../"), data) for name, data in attached]
        assert {path.name for path in work.iterdir()} <= {"attachments"}


def test_an_encrypted_file_is_opened_in_the_sandbox(tmp_path: Path) -> None:
    workbook = office_files.build_xlsx("Hoja", [["celda", "dos"]])
    for media_type, data, words in (
        (PDF, files.build_pdf([["The river rises"]], password="ñandú"), "The river rises"),
        (ENCRYPTED, office_files.encrypt(workbook, "ñandú"), "| celda | dos |"),
    ):
        folder = tmp_path / Path(media_type).name
        folder.mkdir()
        assert words in _parse(folder, data, media_type, Sandbox(LIMITS), "ñandú")


@pytest.mark.parametrize("data", [files.build_picture(["x"]), files.build_scanned_pdf([["x"]])])
def test_without_the_extra_a_picture_says_how_to_get_it(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    media_type = detect_media_type(tmp_path / "file", "file")
    bare = Sandbox(LIMITS, child_module="tests.integration.ingestion.bare_parser")
    with pytest.raises(OcrNotInstalledError, match=r"pip install 'cimiento\[ocr\]'"):
        _parse(tmp_path, data, media_type, bare)


def test_an_unknown_type_is_refused_by_the_parser_as_well(tmp_path: Path) -> None:
    with pytest.raises(CimientoError, match="no parser reads"):
        _parse(tmp_path, b"x", "application/x-nothing", Sandbox(LIMITS))


def test_pages_are_reported_while_they_are_read(tmp_path: Path) -> None:
    source = tmp_path / "a.pdf"
    source.write_bytes(files.build_pdf([["word"] * 30] * 100))
    seen: list[tuple[int, int | None]] = []
    Sandbox(LIMITS).parse(
        source, PDF, folder=tmp_path, on_tick=lambda done, total: seen.append((done, total))
    )
    assert seen == sorted(seen, key=lambda pages: pages[0])
    assert seen[-1] == (100, 100)
