"""Files that the tests of ingestion build for themselves. No file is kept in the repository."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import docx
import reportlab
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib import pagesizes, pdfencrypt
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen import canvas

_FONT = ImageFont.truetype(str(Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"), 36)


def build_pdf(
    pages: Sequence[Sequence[str]], *, password: str | None = None, outline: bool = False
) -> bytes:
    """A PDF with these lines on these pages; with `outline`, the first line of each is in it."""
    buffer = io.BytesIO()
    encrypt = pdfencrypt.StandardEncryption(password, ownerPassword="owner") if password else None
    page = canvas.Canvas(buffer, pagesize=pagesizes.A4, encrypt=encrypt)
    for number, lines in enumerate(pages):
        for row, line in enumerate(lines):
            page.drawString(72, 770 - 20 * row, line)
        if outline:
            page.bookmarkPage(str(number))
            page.addOutlineEntry(lines[0], str(number))
        page.showPage()
    page.save()
    return buffer.getvalue()


def build_rotated_pdf(line: str) -> bytes:
    """One landscape-by-rotation page with one line."""
    buffer = io.BytesIO()
    page = canvas.Canvas(buffer, pagesize=pagesizes.A4)
    page.setPageRotation(90)
    page.drawString(72, 770, line)
    page.showPage()
    page.save()
    return buffer.getvalue()


def build_scan() -> bytes:
    """A PDF whose only page is a drawing."""
    buffer = io.BytesIO()
    page = canvas.Canvas(buffer, pagesize=pagesizes.A4)
    page.rect(100, 100, 200, 300, fill=1)
    page.showPage()
    page.save()
    return buffer.getvalue()


def build_docx() -> bytes:
    """A Word document with headings, a list and a table."""
    document = docx.Document()
    document.add_heading("Guía", 1)
    document.add_paragraph("La instalación es sencilla y no necesita conexión a la red.")
    document.add_heading("Instalación", 2)
    document.add_paragraph("Descargue el programa", style="List Bullet")
    document.add_paragraph("Ejecute la orden", style="List Bullet")
    table = document.add_table(2, 2)
    for row, cells in enumerate((("Puerto", "Uso"), ("8420", "Servidor"))):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def build_zip_bomb() -> bytes:
    """A Word document whose text would unpack to 70 MB of spaces."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        with archive.open("word/document.xml", "w") as part:
            for _ in range(70):
                part.write(b" " * (1 << 20))
    return buffer.getvalue()


def build_zip(names: Sequence[str]) -> bytes:
    """A zip archive of empty files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "")
    return buffer.getvalue()


def build_picture(lines: Sequence[str], *, kind: str = "PNG", turns: int = 0) -> bytes:
    """A white picture with these lines of text, turned by quarters counter-clockwise."""
    image = Image.new("RGB", (900, 60 + 60 * len(lines)), "white")
    draw = ImageDraw.Draw(image)
    for row, line in enumerate(lines):
        draw.text((40, 30 + 60 * row), line, fill="black", font=_FONT)
    buffer = io.BytesIO()
    image.rotate(90 * turns, expand=True).save(buffer, kind)
    return buffer.getvalue()


def build_scanned_pdf(pages: Sequence[Sequence[str]]) -> bytes:
    """A PDF whose pages are pictures of these lines, 450 points wide at (72, 500) from below."""
    buffer = io.BytesIO()
    page = canvas.Canvas(buffer, pagesize=pagesizes.A4)
    for lines in pages:
        picture = ImageReader(io.BytesIO(build_picture(lines)))
        page.drawImage(picture, 72, 500, width=450, preserveAspectRatio=True, anchor="sw")
        page.showPage()
    page.save()
    return buffer.getvalue()
