"""Outlook's MSG: the text through xberg, the attachments out of the compound file itself.

After [MS-OXMSG]: an attachment is a storage of property streams, named by tag and type.
"""

from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Final

from ingestion.errors import UnreadableDocumentError
from ingestion.parsing.compound import CompoundFile, CompoundFileError
from ingestion.parsing.compound import Path as StreamPath
from ingestion.parsing.document import Attachment, ParsedDocument, ParseLimits, Report
from ingestion.parsing.mail import build_document
from ingestion.parsing.office import parse_msg
from ingestion.parsing.text import clean_text, decode
from ingestion.uploads import clean_name

_ATTACHMENT: Final = "__attach_version1.0_"
_PROPERTY: Final = "__substg1.0_"
_DATA: Final = "37010102"
_INNER_MAIL: Final = "3701000D"
_LONG_NAME, _SHORT_NAME, _CONTENT_ID = "3707", "3704", "3712"
_SUBJECT, _SENDER, _SENDER_ADDRESS, _TO, _CC, _BODY, _HTML = (
    "0037",
    "0C1A",
    "0C1F",
    "0E04",
    "0E03",
    "1000",
    "1013",
)
_UNICODE, _BYTES, _BINARY = "001F", "001E", "0102"
_PICTURES: Final = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
_MAX_DEPTH: Final = 8


def parse(path: Path, limits: ParseLimits, report: Report) -> ParsedDocument:
    """Read a mail saved by Outlook. Raises `UnreadableDocumentError`, `DocumentTooLargeError`."""
    text = parse_msg(path, limits, report).text
    try:
        with path.open("rb") as file:
            attachments = list(_attachments(_Storage(CompoundFile(file), ()), depth=0))
    except CompoundFileError as error:
        raise UnreadableDocumentError(f"the mail is damaged: {error}") from error
    return build_document([], [text], attachments, limits)


class _Storage:
    """A mail or an attachment inside a compound file: its properties, by tag."""

    def __init__(self, file: CompoundFile, path: StreamPath) -> None:
        self._file = file
        self._path = path
        self._streams = [at for at in file.paths() if at[: len(path)] == path]

    def names(self) -> list[str]:
        """Names of what is directly inside, in the file's own order."""
        return list(dict.fromkeys(at[len(self._path)] for at in self._streams))

    def inner(self, name: str) -> "_Storage":
        """What is directly inside under a name."""
        return _Storage(self._file, (*self._path, name))

    def data(self, tag: str) -> bytes:
        """A binary property, or no bytes."""
        path = (*self._path, _PROPERTY + tag)
        return self._file.read(path) if path in self._streams else b""

    def text(self, tag: str) -> str:
        """A text property, or the empty string."""
        if wide := self.data(tag + _UNICODE):
            return clean_text(wide.decode("utf-16-le", "replace"))
        return clean_text(decode(self.data(tag + _BYTES)))


def _attachments(mail: _Storage, *, depth: int) -> Iterator[Attachment]:
    if depth > _MAX_DEPTH:
        raise UnreadableDocumentError(f"the mail is nested more than {_MAX_DEPTH} deep")
    for name in sorted(mail.names()):
        if not name.startswith(_ATTACHMENT):
            continue
        attachment = mail.inner(name)
        title = attachment.text(_LONG_NAME) or attachment.text(_SHORT_NAME)
        if _PROPERTY + _INNER_MAIL in attachment.names():
            inner = attachment.inner(_PROPERTY + _INNER_MAIL)
            title = (inner.text(_SUBJECT) or title or "mail").replace("/", "-")
            yield Attachment(clean_name(f"{title}.eml"), _as_eml(inner, depth=depth + 1))
        elif (data := attachment.data(_DATA)) and not _is_decoration(attachment, title):
            yield Attachment(clean_name(title or "attachment"), data)


def _is_decoration(attachment: _Storage, title: str) -> bool:
    # a picture that the text shows in its place, such as the logo of a signature
    return title.lower().endswith(_PICTURES) and bool(attachment.text(_CONTENT_ID))


def _as_eml(mail: _Storage, *, depth: int) -> bytes:
    """A mail inside a mail is no file of its own; in this form it is one."""
    message = EmailMessage()
    sender = " ".join(filter(None, (mail.text(_SENDER), mail.text(_SENDER_ADDRESS))))
    for header, value in (
        ("Subject", mail.text(_SUBJECT)),
        ("From", sender),
        ("To", mail.text(_TO)),
        ("Cc", mail.text(_CC)),
    ):
        if value:
            message[f"{header}"] = " ".join(value.split())
    page = decode(mail.data(_HTML + _BINARY)) or mail.text(_HTML)
    if body := mail.text(_BODY):
        message.set_content(body)
    else:
        message.set_content(page, subtype="html")
    for attachment in _attachments(mail, depth=depth):
        message.add_attachment(
            attachment.data,
            maintype="application",
            subtype="octet-stream",
            filename=attachment.name,
        )
    return message.as_bytes()
