"""Mail: its usual headers and its text; what is attached travels beside it. Fetches nothing."""

import email
import email.errors
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from email.header import decode_header, make_header
from email.message import Message
from pathlib import Path
from typing import Final

from ingestion.errors import UnreadableDocumentError
from ingestion.parsing.document import Attachment, ParsedDocument, ParseLimits, Report
from ingestion.parsing.text import clean_text, decode, looks_like_utf16, refuse_long
from ingestion.parsing.visible import visible_text
from ingestion.uploads import clean_name

_HEADERS: Final = ("Subject", "From", "To", "Cc", "Date")
_WIDE_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_MAX_DEPTH: Final = 50
MAX_ATTACHMENTS: Final = 100


@dataclass(slots=True)
class _Found:
    """What the parts of a mail are, sorted."""

    texts: list[str] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)


def parse(path: Path, limits: ParseLimits, _report: Report) -> ParsedDocument:
    """Read a mail. Raises `UnreadableDocumentError`, `DocumentTooLargeError`."""
    data = path.read_bytes()
    if data.startswith(_WIDE_MARKS) or looks_like_utf16(data):
        data = decode(data).encode()
    message = email.message_from_bytes(data)
    found = _Found()
    _sort(message, found, depth=0)
    headers = [f"{name}: {value}" for name in _HEADERS if (value := _header(message, name))]
    return build_document(headers, found.texts, found.attachments, limits)


def build_document(
    headers: list[str], texts: list[str], attachments: list[Attachment], limits: ParseLimits
) -> ParsedDocument:
    """The text of a mail, which names its attachments, and those that are read.

    Raises `DocumentTooLargeError`.
    """
    names = [f"- {attachment.name}" for attachment in attachments[:MAX_ATTACHMENTS]]
    if len(attachments) > MAX_ATTACHMENTS:
        left = len(attachments) - MAX_ATTACHMENTS
        names.append(f"- and {left} more, which are not read: the limit is {MAX_ATTACHMENTS}")
    listed = "\n".join(["Attachments:", *names]) if names else ""
    blocks = ("\n".join(headers), *texts, listed)
    text = clean_text("\n\n".join(stripped for block in blocks if (stripped := block.strip())))
    return ParsedDocument(
        refuse_long(text, limits.max_text_chars),
        attachments=tuple(attachments[:MAX_ATTACHMENTS]),
    )


def _sort(
    part: "Message[str, str]", found: _Found, *, depth: int, is_related: bool = False
) -> None:
    if depth > _MAX_DEPTH:
        raise UnreadableDocumentError(f"the mail is nested more than {_MAX_DEPTH} deep")
    kind = part.get_content_type()
    if kind == "message/rfc822":
        found.attachments += _inner_mail(part)
    elif kind == "multipart/alternative":
        _sort_best(_parts(part), found, depth=depth + 1)
    elif part.is_multipart():
        for inner in _parts(part):
            _sort(inner, found, depth=depth + 1, is_related=kind == "multipart/related")
    elif kind in ("text/plain", "text/html") and not _is_attached(part):
        found.texts.append(_text(part))
    elif not _is_decoration(part, is_related=is_related):
        found.attachments += _attachment(part, len(found.attachments) + 1)


def _sort_best(parts: list["Message[str, str]"], found: _Found, *, depth: int) -> None:
    # One text in several forms; plain where it says anything. The others may carry attachments.
    texts = [_Found() for _ in parts]
    for part, inner in zip(parts, texts, strict=True):
        _sort(part, inner, depth=depth)
    plain_first = sorted(
        range(len(parts)), key=lambda at: parts[at].get_content_type() != "text/plain"
    )
    best = next((at for at in plain_first if "".join(texts[at].texts).strip()), None)
    if best is not None:
        found.texts += texts[best].texts
    for inner in texts:
        found.attachments += inner.attachments


def _parts(part: "Message[str, str]") -> list["Message[str, str]"]:
    payload = part.get_payload()
    return (
        [inner for inner in payload if isinstance(inner, Message)]
        if isinstance(payload, list)
        else []
    )


def _is_attached(part: "Message[str, str]") -> bool:
    return part.get_content_disposition() == "attachment" or part.get_filename() is not None


def _is_decoration(part: "Message[str, str]", *, is_related: bool) -> bool:
    # a picture that the text shows in its place, such as the logo of a signature
    is_shown = "Content-ID" in part and part.get_content_disposition() != "attachment"
    return part.get_content_maintype() == "image" and (is_related or is_shown)


def _text(part: "Message[str, str]") -> str:
    text = decode(_payload(part), declared=part.get_content_charset())
    return visible_text(text) if part.get_content_type() == "text/html" else text


def _attachment(part: "Message[str, str]", number: int) -> Iterator[Attachment]:
    data = _payload(part)
    if data:
        name = _decoded(part.get_filename() or "") or f"attachment {number}"
        yield Attachment(clean_name(name), data)


def _inner_mail(part: "Message[str, str]") -> Iterator[Attachment]:
    for inner in _parts(part):
        name = _decoded(part.get_filename() or "") or _header(inner, "Subject") or "mail"
        name = name if name.lower().endswith(".eml") else f"{name}.eml"
        yield Attachment(clean_name(name.replace("/", "-")), inner.as_bytes())


def _payload(part: "Message[str, str]") -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _header(message: "Message[str, str]", name: str) -> str:
    return _decoded(str(message.get(name, "")))


def _decoded(value: str) -> str:
    # a header that breaks its own rules is shown as it was sent
    with suppress(LookupError, ValueError, email.errors.HeaderParseError):
        value = str(make_header(decode_header(value))).strip() or value
    return " ".join(clean_text(value).split())
