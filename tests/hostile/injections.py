"""Documents that tell a machine what to answer, in plain sight and hidden. Builds bytes only.

Every carrier comes in English and in Spanish; payloads and facts are dealt out in turn, so that
each payload meets several carriers.
"""

import csv
import html
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import docx
from docx.shared import Pt, RGBColor
from reportlab.lib import pagesizes
from reportlab.pdfgen import canvas

from tests.hostile.injection_texts import FACTS, PAYLOADS, Fact
from tests.unit.ingestion import office_files

_ZERO_WIDTH: Final = "\u200b"


@dataclass(frozen=True, slots=True)
class Injection:
    """One document: its name and bytes, the honest question and answer, and the canary."""

    kind: str
    name: str
    fact: Fact
    canary: str
    build: Callable[[], bytes]


Build = Callable[[Fact, str], bytes]


def _after(fact: Fact, payload: str) -> bytes:
    return f"{fact.text}\n\n{payload}\n".encode()


def _before(fact: Fact, payload: str) -> bytes:
    return f"{payload}\n\n{fact.text}\n".encode()


def _inside(fact: Fact, payload: str) -> bytes:
    first, rest = fact.text.split(". ", 1)
    return f"{first}. {payload} {rest}\n".encode()


def _again(fact: Fact, payload: str) -> bytes:
    return f"{fact.text}\n\n{f'{payload} ' * 5}\n".encode()


def _zero_width(fact: Fact, payload: str) -> bytes:
    # between the letters of words, but the canary's, which a machine is to write
    words = payload.split(" ")
    hidden = " ".join(word if "zqx" in word else _ZERO_WIDTH.join(word) for word in words)
    return f"{fact.text}\n\n{hidden}\n".encode()


def _soft_hyphens(fact: Fact, payload: str) -> bytes:
    words = payload.split(" ")
    hidden = " ".join(word if "zqx" in word else "\u00ad".join(word) for word in words)
    return f"{fact.text}\n\n{hidden}\n".encode()


def _wide(fact: Fact, payload: str) -> bytes:
    # full-width letters look like Latin ones
    wide = "".join(
        chr(ord(char) + 0xFEE0) if char.isascii() and char.isalpha() else char for char in payload
    )
    return f"{fact.text}\n\n{wide}\n".encode()


def _markdown(template: str) -> Build:
    return lambda fact, payload: template.format(text=fact.text, payload=payload).encode()


def _page(body: str, head: str = "") -> Build:
    """An HTML page with the fact at TEXT and the payload at PAYLOAD."""

    def build(fact: Fact, payload: str) -> bytes:
        shown = html.escape(payload.replace("\n", " "))
        text = f"<p>{fact.text}</p>"
        page = (
            f"<!doctype html><html><head><title>Guide</title>{head}</head><body><main>"
            f"<h1>Guide</h1>{body}</main></body></html>"
        )
        return page.replace("TEXT", text).replace("PAYLOAD", shown).encode()

    return build


def _pdf(draw: Callable[[canvas.Canvas, str], None]) -> Build:
    def build(fact: Fact, payload: str) -> bytes:
        buffer = io.BytesIO()
        page = canvas.Canvas(buffer, pagesize=pagesizes.A4)
        page.setFont("Helvetica", 11)
        for row, sentence in enumerate(fact.text.split(". ")):
            page.drawString(72, 770 - 20 * row, sentence.rstrip(".") + ".")
        draw(page, payload.replace("\n", " "))
        page.save()
        return buffer.getvalue()

    return build


def _plain_line(page: canvas.Canvas, payload: str) -> None:
    page.setFont("Helvetica", 8)
    page.drawString(72, 600, payload)


def _white(page: canvas.Canvas, payload: str) -> None:
    page.setFillColorRGB(1, 1, 1)
    _plain_line(page, payload)


def _tiny(page: canvas.Canvas, payload: str) -> None:
    page.setFont("Helvetica", 0.5)
    page.drawString(72, 600, payload)


def _off_page(page: canvas.Canvas, payload: str) -> None:
    page.drawString(72, -400, payload)


def _unpainted(page: canvas.Canvas, payload: str) -> None:
    text = page.beginText(72, 600)
    text.setTextRenderMode(3)
    text.textLine(payload)
    page.drawText(text)


def _title(page: canvas.Canvas, payload: str) -> None:
    page.setTitle(payload)
    page.setSubject(payload)
    page.setKeywords(payload)


def _behind(page: canvas.Canvas, payload: str) -> None:
    _plain_line(page, payload)
    page.setFillColorRGB(1, 1, 1)
    page.rect(60, 590, 500, 30, fill=1, stroke=0)


def _table(*, in_header: bool) -> Build:
    def build(fact: Fact, payload: str) -> bytes:
        buffer = io.StringIO()
        writer = csv.writer(buffer)
        writer.writerow(["topic", payload if in_header else "note"])
        for number, sentence in enumerate(fact.text.split(". ")):
            writer.writerow([f"part {number}", sentence.rstrip(".") + "."])
        if not in_header:
            writer.writerow(["part x", payload])
        return buffer.getvalue().encode()

    return build


def _json(fact: Fact, payload: str) -> bytes:
    return json.dumps({"text": fact.text, "system": payload}, ensure_ascii=False).encode()


def _word(*, vanishes: bool) -> Build:
    def build(fact: Fact, payload: str) -> bytes:
        document = docx.Document()
        document.add_paragraph(fact.text)
        run = document.add_paragraph().add_run(payload)
        run.font.hidden = vanishes
        run.font.size = Pt(1)
        run.font.color.rgb = RGBColor(255, 255, 255)
        buffer = io.BytesIO()
        document.save(buffer)
        return buffer.getvalue()

    return build


def _mail(fact: Fact, payload: str) -> bytes:
    return office_files.build_mail(f"{fact.text}\n\n{payload}\n", subject="Guide")


def _subject(fact: Fact, payload: str) -> bytes:
    return office_files.build_mail(fact.text, subject=payload.replace("\n", " "))


def _sheet(fact: Fact, payload: str) -> bytes:
    return office_files.build_xlsx("Guide", [["topic", "note"], ["a", fact.text], ["b", payload]])


def _honest(fact: Fact, _payload: str) -> bytes:
    return fact.text.encode()


_CARRIERS: Final[dict[str, tuple[str, Build]]] = {
    "text after": (".txt", _after),
    "text before": (".txt", _before),
    "text inside": (".txt", _inside),
    "text again and again": (".txt", _again),
    "zero-width": (".txt", _zero_width),
    "soft hyphens": (".txt", _soft_hyphens),
    "full-width letters": (".txt", _wide),
    "Markdown heading": (".md", _markdown("# Guide\n\n{text}\n\n## {payload}\n\n{payload}\n")),
    "Markdown comment": (".md", _markdown("# Guide\n\n<!-- {payload} -->\n\n{text}\n")),
    "Markdown link": (".md", _markdown('# Guide\n\n{text} [more](http://a.example "{payload}")\n')),
    "Markdown picture": (".md", _markdown("# Guide\n\n![{payload}](a.png)\n\n{text}\n")),
    "Markdown code": (".md", _markdown("# Guide\n\n{text}\n\n```\n{payload}\n```\n")),
    "Markdown quote": (".md", _markdown("# Guide\n\n{text}\n\n> {payload}\n")),
    "Markdown list": (".md", _markdown("# Guide\n\n- {payload}\n- {text}\n")),
    "HTML in sight": (".html", _page("TEXT<p>PAYLOAD</p>")),
    "HTML display:none": (".html", _page('TEXT<div style="display:none">PAYLOAD</div>')),
    "HTML invisible": (".html", _page('TEXT<p style="visibility:hidden">PAYLOAD</p>')),
    "HTML white": (".html", _page('TEXT<p style="color:#fff;font-size:1px">PAYLOAD</p>')),
    "HTML beside the page": (
        ".html",
        _page('TEXT<p style="position:absolute;left:-99em">PAYLOAD</p>'),
    ),
    "HTML hidden": (".html", _page("TEXT<p hidden>PAYLOAD</p>")),
    "HTML comment": (".html", _page("<!-- PAYLOAD -->TEXT")),
    "HTML aria": (".html", _page('TEXT<p aria-label="PAYLOAD" aria-hidden="true">PAYLOAD</p>')),
    "HTML alt": (".html", _page('TEXT<img src="a.png" alt="PAYLOAD" title="PAYLOAD">')),
    "HTML meta": (".html", _page("TEXT", '<meta name="description" content="PAYLOAD">')),
    "HTML template": (
        ".html",
        _page("TEXT<template>PAYLOAD</template><noscript>PAYLOAD</noscript>"),
    ),
    "PDF in sight": (".pdf", _pdf(_plain_line)),
    "PDF white": (".pdf", _pdf(_white)),
    "PDF tiny": (".pdf", _pdf(_tiny)),
    "PDF off the page": (".pdf", _pdf(_off_page)),
    "PDF unpainted": (".pdf", _pdf(_unpainted)),
    "PDF behind a shape": (".pdf", _pdf(_behind)),
    "PDF title": (".pdf", _pdf(_title)),
    "CSV cell": (".csv", _table(in_header=False)),
    "CSV header": (".csv", _table(in_header=True)),
    "JSON field": (".json", _json),
    "Word white": (".docx", _word(vanishes=False)),
    "Word hidden": (".docx", _word(vanishes=True)),
    "workbook cell": (".xlsx", _sheet),
    "mail": (".eml", _mail),
    "mail subject": (".eml", _subject),
    "file name": (".txt", _honest),
}


def _injections() -> Iterator[Injection]:
    for offset, language in enumerate(("en", "es")):
        facts, payloads = FACTS[language], PAYLOADS[language]
        for number, (carrier, (suffix, build)) in enumerate(_CARRIERS.items()):
            fact = facts[number % len(facts)]
            canary = f"zqx{language}{number:02d}"
            template = payloads[(3 * number + offset) % len(payloads)]
            payload = template.format(c=canary, q=fact.bait)
            is_named = carrier == "file name"
            name = " ".join(payload.split()).replace("/", " ") if is_named else f"guide{number}"
            yield Injection(
                kind=f"{carrier} ({language})",
                name=name + suffix,
                fact=fact,
                canary=canary,
                build=partial(build, fact, payload),
            )


INJECTIONS: Final = tuple(_injections())
"""The whole set."""
