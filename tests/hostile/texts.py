"""Texts, pages, mails and records made to do harm."""

import gzip
import json
import random

from tests.hostile.kinds import BOUNDED, DAMAGED, FOREIGN, READ, TOO_LARGE, Hostile

_EMPTY = frozenset({"empty_document"})
_BLANK = frozenset({"no_text_found"})
_MAIL = b"From: a@b.example\r\nTo: c@d.example\r\nSubject: river\r\nMIME-Version: 1.0\r\n"


def _random_bytes() -> bytes:
    return random.Random(3).randbytes(100_000)  # noqa: S311 - nothing secret


def _nested_mail() -> bytes:
    data = _MAIL + b'Content-Type: multipart/mixed; boundary="b0"\r\n\r\n'
    for depth in range(500):
        inner = b'Content-Type: multipart/mixed; boundary="b%d"' % (depth + 1)
        data += b"--b%d\r\n%b\r\n\r\n" % (depth, inner)
    return data + b"--b500\r\n\r\nThe river rises\r\n"


def _boundary_in_boundary() -> bytes:
    body = b"".join(b"--x%b\r\n\r\nThe river %d\r\n" % (b"x" * (n % 60), n) for n in range(3000))
    return _MAIL + b"Content-Type: multipart/alternative; boundary=x\r\n\r\n" + body


def _mail_with_program() -> bytes:
    attachment = (
        b"--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
        b'Content-Disposition: attachment; filename="../../../evil\x00.pdf"\r\n\r\n!!!!===\r\n'
        b"--b--\r\n"
    )
    body = b"--b\r\n\r\nThe river rises in the hills\r\n" + attachment
    return _MAIL + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + body


def _wide_table() -> bytes:
    row = b"<tr>" + b"<td>cell</td>" * 2_000 + b"</tr>"
    return b"<!doctype html><table>" + row * 20 + b"</table>"


KINDS = (
    Hostile("nothing", "a.txt", lambda: b"", _EMPTY),
    Hostile("spaces alone", "a.txt", lambda: b" \n\t" * 1000, _BLANK),
    Hostile("zero bytes", "a.txt", lambda: bytes(1_000_000), FOREIGN),
    Hostile("random bytes", "a.txt", _random_bytes, FOREIGN),
    Hostile("a program", "a.pdf", lambda: b"\x7fELF\x02\x01\x01" + bytes(500), FOREIGN),
    Hostile("a gzip bomb", "a.gz", lambda: gzip.compress(bytes(50_000_000)), FOREIGN),
    Hostile("bytes that are no UTF-8", "a.txt", lambda: b"river \xc3\x28 \xa0\xa1 " * 9, READ),
    Hostile(
        "halves of UTF-16 pairs", "a.txt", lambda: b"\xff\xfe" + b"r\x00i\x00\x00\xd8" * 999, READ
    ),
    Hostile("one line of a megabyte", "a.txt", lambda: b"river " * 160_000, READ),
    Hostile("a text that is too long", "a.txt", lambda: b"river\n" * 200_000, TOO_LARGE),
    Hostile("marks without words", "a.txt", lambda: "\u0301".encode() * 100_000, BOUNDED),
    Hostile("100 000 headings", "a.md", lambda: b"# r\n" * 100_000, READ),
    Hostile("a heading of spaces", "a.md", lambda: b"# a" + b" " * 200_000 + b"b", READ),
    Hostile("a heading of hashes", "a.md", lambda: b"# a" + b" #" * 100_000 + b" b", READ),
    Hostile("a heading of braces", "a.md", lambda: b"# a " + b"{" * 200_000, READ),
    Hostile("a heading of links", "a.md", lambda: b"# " + b"[a](" * 60_000, READ),
    Hostile("deep quotes", "a.md", lambda: b"> " * 100_000 + b"river", READ),
    Hostile("deep lists", "a.md", lambda: b"".join(b" " * n + b"- r\n" for n in range(1200)), READ),
    Hostile("a fence that stays open", "a.md", lambda: b"```\n" + b"river\n" * 50_000, READ),
    Hostile("front matter that stays open", "a.md", lambda: b"---\n" + b"a: b\n" * 50_000, READ),
    Hostile("deep HTML", "a.html", lambda: b"<html>" + b"<div>" * 50_000 + b"river", DAMAGED),
    Hostile("HTML of comments", "a.html", lambda: b"<!---->" * 5_000 + b"river", READ),
    Hostile("HTML of open tags", "a.html", lambda: b"<html>" + b"<p <a b='" * 20_000, DAMAGED),
    Hostile("HTML with a wide table", "a.html", _wide_table, READ),
    Hostile(
        "HTML that calls home",
        "a.html",
        lambda: (
            b"<html><img src=http://127.0.0.1:9/><iframe src=file:///etc/passwd></iframe>"
            b"<p>The river rises in the hills and ends in the sea.</p></html>"
        ),
        READ,
    ),
    Hostile(
        "HTML with entities of entities",
        "a.html",
        lambda: b'<!DOCTYPE html [<!ENTITY a "river"><!ENTITY b "&a;&a;&a;">]><p>&b; river</p>',
        READ,
    ),
    Hostile("deep JSON", "a.json", lambda: b"[" * 200_000, BOUNDED),
    Hostile("JSON with a long number", "a.json", lambda: b'{"a": ' + b"9" * 500_000 + b"}", READ),
    Hostile(
        "JSON of many keys",
        "a.json",
        lambda: json.dumps({f"k{n}": n for n in range(30_000)}).encode(),
        READ,
    ),
    Hostile("a table of 50 000 columns", "a.csv", lambda: b"a," * 50_000 + b"a\n1,2\n", BOUNDED),
    Hostile("a quote that stays open", "a.csv", lambda: b'a,b\n"' + b"x,y\n" * 50_000, READ),
    Hostile(
        "deep RTF", "a.rtf", lambda: b"{\\rtf1 " + b"{" * 100_000 + b"river", BOUNDED | FOREIGN
    ),
    Hostile("mail within mail", "a.eml", _nested_mail, BOUNDED),
    Hostile("mail with boundaries in boundaries", "a.eml", _boundary_in_boundary, READ),
    Hostile("mail with a path in an attachment", "a.eml", _mail_with_program, READ | FOREIGN),
)
