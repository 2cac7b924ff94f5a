"""Mails: what a reader sees of them is their text, and what is attached comes out whole."""

from email.message import EmailMessage
from pathlib import Path

import pytest

from ingestion.errors import UnreadableDocumentError
from ingestion.parsing import mail, outlook
from ingestion.parsing.compound import CompoundFile, CompoundFileError
from ingestion.parsing.document import ParsedDocument
from tests.unit.ingestion import office_files
from tests.unit.ingestion.house import LIMITS


def _eml(tmp_path: Path, data: bytes) -> ParsedDocument:
    path = tmp_path / "mail"
    path.write_bytes(data)
    return mail.parse(path, LIMITS, lambda *_: None)


def _msg(tmp_path: Path, data: bytes) -> ParsedDocument:
    path = tmp_path / "mail"
    path.write_bytes(data)
    return outlook.parse(path, LIMITS, lambda *_: None)


def test_a_mail_shows_its_headers_its_text_and_the_names_of_what_is_attached(
    tmp_path: Path,
) -> None:
    data = office_files.build_mail("Adjunto el informe.\n", [("informe año.txt", b"uno")])
    parsed = _eml(tmp_path, data)
    assert parsed.text == (
        "Subject: Informe del año\nFrom: Ana <ana@example.org>\nTo: luis@example.org\n"
        "Date: Mon, 02 Nov 2026 10:00:00 +0100\n\nAdjunto el informe.\n\n"
        "Attachments:\n- informe año.txt"
    )
    assert [(item.name, item.data) for item in parsed.attachments] == [("informe año.txt", b"uno")]


def test_of_two_forms_of_a_text_the_plain_one_is_read(tmp_path: Path) -> None:
    text = _eml(tmp_path, office_files.build_mail("plain words", html="<p>other</p>")).text
    assert "plain words" in text
    assert "other" not in text


def test_a_mail_of_html_alone_is_read(tmp_path: Path) -> None:
    text = _eml(tmp_path, office_files.build_mail("", html="<p>Caf&eacute;</p><br><b>x</b>")).text
    assert "Café\n" in text
    assert "<p>" not in text


def test_a_mail_inside_a_mail_is_attached_as_a_file_of_its_own(tmp_path: Path) -> None:
    inner = EmailMessage()
    inner["Subject"] = "a/b"
    inner.set_content("inside")
    outer = EmailMessage()
    outer["Subject"] = "outer"
    outer.set_content("outside")
    outer.add_attachment(inner)
    parsed = _eml(tmp_path, outer.as_bytes())
    assert "inside" not in parsed.text
    assert [item.name for item in parsed.attachments] == ["a-b.eml"]
    assert "inside" in _eml(tmp_path, parsed.attachments[0].data).text


def test_a_picture_shown_in_the_text_is_no_attachment(tmp_path: Path) -> None:
    message = EmailMessage()
    message.set_content("<p>hello</p><img src='cid:logo'>", subtype="html")
    message.add_related(b"\x89PNG", "image", "png", cid="<logo>", filename="logo.png")
    assert _eml(tmp_path, message.as_bytes()).attachments == ()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\evil.exe", "evil.exe"),
        ("a\u202efdp.exe", "afdp.exe"),
        ("bell\x07.txt", "bell.txt"),
        ("..", "document"),
    ],
)
def test_a_hostile_name_is_made_harmless(tmp_path: Path, name: str, shown: str) -> None:
    parsed = _eml(tmp_path, office_files.build_mail("x", [(name, b"data")]))
    assert [item.name for item in parsed.attachments] == [shown]
    msg = _msg(tmp_path, office_files.build_msg("s", "x", [(name, b"data")]))
    assert [item.name for item in msg.attachments] == [shown]


def test_attachments_over_the_limit_are_counted_and_not_read(tmp_path: Path) -> None:
    many = [(f"{number}.txt", b"x") for number in range(mail.MAX_ATTACHMENTS + 2)]
    parsed = _eml(tmp_path, office_files.build_mail("x", many))
    assert len(parsed.attachments) == mail.MAX_ATTACHMENTS
    assert "and 2 more, which are not read" in parsed.text


def test_a_mail_in_utf_16_is_read(tmp_path: Path) -> None:
    data = b"Subject: wide\nFrom: a@b.c\n\nsome words"
    assert "some words" in _eml(tmp_path, data.decode().encode("utf-16")).text


@pytest.mark.parametrize(
    "data",
    [
        b"Subject: =?utf-8?b?!!!?=\n\nbody words",
        b"Subject: x\nContent-Type: text/plain; charset=nonsense\n\nbody words",
        b"Subject: caf\xe9\nContent-Transfer-Encoding: base64\n\nbody words",
        b"Subject: x\nContent-Type: multipart/mixed\n\nbody words",
    ],
)
def test_a_mail_that_breaks_the_rules_is_still_read(tmp_path: Path, data: bytes) -> None:
    assert _eml(tmp_path, data).text.startswith("Subject: ")


def test_mails_nested_without_end_are_refused(tmp_path: Path) -> None:
    data = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (number, number)
        for number in range(60)
    )
    with pytest.raises(UnreadableDocumentError, match="nested"):
        _eml(tmp_path, data + b"\n\nx")


def test_outlooks_mail_is_read_with_its_attachments(tmp_path: Path) -> None:
    inner = office_files.mail_tree("Dentro", "Texto de dentro.", [("b.txt", b"two")])
    data = office_files.build_msg(
        "Informe", "Adjunto el informe.", [("a.txt", b"one" * 3000), ("", inner)]
    )
    parsed = _msg(tmp_path, data)
    assert "Informe" in parsed.text
    assert "Adjunto el informe." in parsed.text
    assert parsed.text.endswith("Attachments:\n- a.txt\n- Dentro.eml")
    assert parsed.attachments[0].data == b"one" * 3000
    nested = _eml(tmp_path, parsed.attachments[1].data)
    assert "Subject: Dentro\nFrom: Ana\nTo: Luis" in nested.text
    assert "Texto de dentro." in nested.text
    assert [(item.name, item.data) for item in nested.attachments] == [("b.txt", b"two")]


def test_a_compound_file_whose_chains_go_round_ends_all_the_same(tmp_path: Path) -> None:
    data = bytearray(office_files.build_compound({"WordDocument": b"x" * 5000}))
    data[-512:] = b"\x00\x00\x00\x00" * 128  # every sector is followed by the first one
    path = tmp_path / "file"
    path.write_bytes(data)
    with path.open("rb") as file:
        try:
            found = CompoundFile(file)
            for at in found.paths():
                assert len(found.read(at)) <= len(data)
        except CompoundFileError as error:
            assert str(error)  # noqa: PT017 - either end is a good one
