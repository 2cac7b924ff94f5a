"""Office files, books and mails that the tests build for themselves, part by part."""

import io
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from email.message import EmailMessage
from typing import Union

from msoffcrypto.method.ecma376_agile import ECMA376Agile

_REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "application/vnd.openxmlformats-officedocument"
_ODF = "urn:oasis:names:tc:opendocument:xmlns"

Tree = Mapping[str, Union[bytes, "Tree"]]


def build_xlsx(sheet: str, rows: Sequence[Sequence[str]]) -> bytes:
    """A workbook of one sheet of text cells."""
    cells = "".join(
        f'<row r="{number}">'
        + "".join(
            f'<c r="{chr(65 + column)}{number}" t="inlineStr"><is><t>{text}</t></is></c>'
            for column, text in enumerate(row)
        )
        + "</row>"
        for number, row in enumerate(rows, 1)
    )
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return _zip(
        {
            "[Content_Types].xml": _types(
                {
                    "/xl/workbook.xml": "spreadsheetml.sheet.main",
                    "/xl/worksheets/sheet1.xml": "spreadsheetml.worksheet",
                }
            ),
            "_rels/.rels": _rels({"r1": ("officeDocument", "xl/workbook.xml")}),
            "xl/_rels/workbook.xml.rels": _rels({"r1": ("worksheet", "worksheets/sheet1.xml")}),
            "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{_REL}"><sheets>'
            f'<sheet name="{sheet}" sheetId="1" r:id="r1"/></sheets></workbook>',
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{cells}'
            "</sheetData></worksheet>",
        }
    )


def build_pptx(slides: Sequence[str], *, notes: str = "") -> bytes:
    """A presentation of these shape trees; see `title`, `text_box` and `table`."""
    p = "http://schemas.openxmlformats.org/presentationml/2006/main"
    a = "http://schemas.openxmlformats.org/drawingml/2006/main"
    names = f'xmlns:p="{p}" xmlns:a="{a}" xmlns:r="{_REL}"'
    numbers = range(1, len(slides) + 1)
    # shown backwards: the order is the list's, not that of the names
    ids = "".join(f'<p:sldId id="{255 + n}" r:id="r{n}"/>' for n in reversed(numbers))
    parts = {
        "[Content_Types].xml": _types(
            {"/ppt/presentation.xml": "presentationml.presentation.main"}
        ),
        "_rels/.rels": _rels({"r1": ("officeDocument", "ppt/presentation.xml")}),
        "ppt/_rels/presentation.xml.rels": _rels(
            {f"r{n}": ("slide", f"slides/slide{n}.xml") for n in numbers}
        ),
        "ppt/presentation.xml": f"<p:presentation {names}><p:sldIdLst>{ids}</p:sldIdLst>"
        "</p:presentation>",
    }
    for number, shapes in zip(numbers, reversed(slides), strict=True):
        parts[f"ppt/slides/slide{number}.xml"] = (
            f"<p:sld {names}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>"
        )
    if notes:
        parts["ppt/slides/_rels/slide1.xml.rels"] = _rels(
            {"r1": ("notesSlide", "../notesSlides/notesSlide1.xml")}
        )
        parts["ppt/notesSlides/notesSlide1.xml"] = (
            f"<p:notes {names}><p:cSld><p:spTree>{text_box(notes, kind='body')}</p:spTree>"
            "</p:cSld></p:notes>"
        )
    return _zip(parts)


def text_box(*paragraphs: str, kind: str = "") -> str:
    """A shape; "|" separates runs. `kind` makes it a placeholder of that type."""
    placeholder = f'<p:ph type="{kind}"/>' if kind else ""
    return (
        f"<p:sp><p:nvSpPr><p:cNvPr/><p:nvPr>{placeholder}</p:nvPr></p:nvSpPr>"
        f"<p:txBody>{''.join(map(_paragraph, paragraphs))}</p:txBody></p:sp>"
    )


def slide_table(rows: Sequence[Sequence[str]]) -> str:
    """A table on a slide."""
    body = "".join(
        "<a:tr>"
        + "".join(f"<a:tc><a:txBody>{_paragraph(cell)}</a:txBody></a:tc>" for cell in row)
        + "</a:tr>"
        for row in rows
    )
    return f"<p:graphicFrame><a:graphic><a:tbl>{body}</a:tbl></a:graphic></p:graphicFrame>"


def build_odt() -> bytes:
    """An OpenDocument text with two headings, a list and a table."""
    content = (
        f'<office:document-content xmlns:office="{_ODF}:office:1.0" xmlns:text="{_ODF}:text:1.0" '
        f'xmlns:table="{_ODF}:table:1.0"><office:body><office:text>'
        '<text:h text:outline-level="1">Guía</text:h><text:p>Hola &lt;mundo&gt;, ¡bien!</text:p>'
        "<text:list><text:list-item><text:p>uno</text:p></text:list-item></text:list>"
        '<text:h text:outline-level="2">Puertos</text:h><table:table>'
        + "".join(
            "<table:table-row>"
            + "".join(f"<table:table-cell><text:p>{x}</text:p></table:table-cell>" for x in row)
            + "</table:table-row>"
            for row in (("Puerto", "Uso"), ("8420", "Servidor"))
        )
        + "</table:table></office:text></office:body></office:document-content>"
    )
    manifest = (
        f'<manifest:manifest xmlns:manifest="{_ODF}:manifest:1.0"><manifest:file-entry '
        'manifest:full-path="/" manifest:media-type="application/vnd.oasis.opendocument.text"/>'
        "</manifest:manifest>"
    )
    return _zip(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "META-INF/manifest.xml": manifest,
            "content.xml": content,
        }
    )


def build_epub(chapters: Mapping[str, str]) -> bytes:
    """A book of these chapters, title to text."""
    items = "".join(
        f'<item id="c{n}" href="c{n}.xhtml" media-type="application/xhtml+xml"/>'
        for n in range(len(chapters))
    )
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
    parts = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container version="1.0" '
        'xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile '
        'full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>',
        "book.opf": '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Libro</dc:title></metadata>'
        f"<manifest>{items}</manifest><spine>{spine}</spine></package>",
    }
    for number, (title, text) in enumerate(chapters.items()):
        parts[f"c{number}.xhtml"] = (
            '<html xmlns="http://www.w3.org/1999/xhtml"><body>'
            f"<h1>{title}</h1><p>{text}</p></body></html>"
        )
    return _zip(parts)


RTF = (
    b"{\\rtf1\\ansi\\ansicpg1252\\deff0{\\fonttbl{\\f0 Times;}}"
    b"La instalaci\\'f3n cuesta 5 \\u8364?.\\par "
    b"\\trowd\\cellx1000\\cellx2000\\intbl Puerto\\cell Uso\\cell\\row "
    b"\\trowd\\cellx1000\\cellx2000\\intbl 8420\\cell Servidor\\cell\\row\\pard fin\\par}"
)


def build_mail(
    text: str,
    attachments: Sequence[tuple[str, bytes]] = (),
    *,
    subject: str = "Informe del año",
    html: str = "",
) -> bytes:
    """A mail; an attachment called `.eml` is attached as a mail of its own kind."""
    message = EmailMessage()
    message["From"] = "Ana <ana@example.org>"
    message["To"] = "luis@example.org"
    message["Date"] = "Mon, 2 Nov 2026 10:00:00 +0100"
    message["Message-ID"] = "<1@example.org>"
    message["Subject"] = subject
    if text:
        message.set_content(text, cte="quoted-printable")
    if html:
        (message.add_alternative if text else message.set_content)(html, subtype="html")
    for name, data in attachments:
        message.add_attachment(data, "application", "octet-stream", filename=name)
    return message.as_bytes()


def build_msg(subject: str, body: str, attachments: Sequence[tuple[str, "bytes | Tree"]]) -> bytes:
    """A mail as Outlook saves it; an attachment that is a tree is a mail inside (`mail_tree`)."""
    return build_compound(mail_tree(subject, body, attachments, is_top=True))


def mail_tree(
    subject: str,
    body: str,
    attachments: Sequence[tuple[str, "bytes | Tree"]] = (),
    *,
    is_top: bool = False,
) -> Tree:
    """The streams of one Outlook mail."""
    tree: dict[str, bytes | Tree] = {
        "__properties_version1.0": bytes(32 if is_top else 24),
        "__substg1.0_0037001F": subject.encode("utf-16-le"),
        "__substg1.0_1000001F": body.encode("utf-16-le"),
        "__substg1.0_0C1A001F": "Ana".encode("utf-16-le"),
        "__substg1.0_0E04001F": "Luis".encode("utf-16-le"),
    }
    for number, (name, content) in enumerate(attachments):
        data = "__substg1.0_37010102" if isinstance(content, bytes) else "__substg1.0_3701000D"
        tree[f"__attach_version1.0_#{number:08X}"] = {
            "__properties_version1.0": bytes(8),
            "__substg1.0_3707001F": name.encode("utf-16-le"),
            data: content,
        }
    return tree


def build_compound(tree: Tree) -> bytes:
    """A compound file (OLE2) of these streams and storages."""
    entries: list[bytearray] = []
    sectors: list[bytes] = []
    fat: list[int] = []
    mini_sectors: list[bytes] = []
    mini_fat: list[int] = []

    def add(data: bytes, *, is_mini: bool = False) -> int:
        into, table, size = (mini_sectors, mini_fat, 64) if is_mini else (sectors, fat, 512)
        first, count = len(into), -(-len(data) // size)
        for number in range(count):
            into.append(data[number * size : (number + 1) * size].ljust(size, b"\0"))
            table.append(first + number + 1 if number + 1 < count else 0xFFFFFFFE)
        return first if count else 0xFFFFFFFE

    def add_entry(name: str, kind: int) -> bytearray:
        raw = name.encode("utf-16-le") + b"\0\0"
        entry = bytearray(raw.ljust(64, b"\0") + struct.pack("<HBB", len(raw), kind, 1) + bytes(60))
        struct.pack_into("<III", entry, 68, *[0xFFFFFFFF] * 3)
        entries.append(entry)
        return entry

    def fill(parent: bytearray, inside: Tree) -> None:
        # siblings as a chain to the right: a tree, if no balanced one
        above, offset = parent, 76
        for name in sorted(inside, key=lambda name: (len(name), name.upper())):
            content = inside[name]
            struct.pack_into("<I", above, offset, len(entries))
            entry = add_entry(name, 2 if isinstance(content, bytes) else 1)
            if isinstance(content, bytes):
                first = add(content, is_mini=len(content) < 4096)
                struct.pack_into("<II", entry, 116, first, len(content))
            else:
                fill(entry, content)
            above, offset = entry, 72

    root = add_entry("Root Entry", 5)
    fill(root, tree)
    small = b"".join(mini_sectors)
    struct.pack_into("<II", root, 116, add(small), len(small))
    mini_table = struct.pack(f"<{len(mini_fat)}I", *mini_fat)
    first_mini = add(mini_table.ljust(-(-len(mini_table) // 512) * 512, b"\xff"))
    first_directory = add(b"".join(entries).ljust(-(-len(entries) // 4) * 512, b"\0"))
    return _with_fat(sectors, fat, first_directory, first_mini, len(mini_table))


def encrypt(data: bytes, password: str) -> bytes:
    """A file under a password, as Word, Excel and PowerPoint write theirs since 2010."""
    # what is shorter, the writer of the container puts where no reader looks for it
    sealed: bytes = ECMA376Agile.encrypt(password, io.BytesIO(data.ljust(4096, b"\0")))
    return sealed


def _with_fat(
    sectors: list[bytes], fat: list[int], first_directory: int, first_mini: int, mini_bytes: int
) -> bytes:
    # the header, the sectors, and the table that says which sector follows which
    num_fat = -(-(len(fat) + 1) // 127)
    first_fat = len(sectors)
    fat += [0xFFFFFFFD] * num_fat
    fat += [0xFFFFFFFF] * (num_fat * 128 - len(fat))
    header = bytearray(512)
    header[:8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    struct.pack_into("<HHHHH", header, 24, 0x3E, 3, 0xFFFE, 9, 6)
    num_mini = -(-mini_bytes // 512)
    struct.pack_into("<IIIIII", header, 44, num_fat, first_directory, 0, 4096, first_mini, num_mini)
    struct.pack_into("<II", header, 68, 0xFFFFFFFE, 0)
    numbers = [first_fat + n for n in range(num_fat)]
    struct.pack_into("<109I", header, 76, *numbers, *[0xFFFFFFFF] * (109 - num_fat))
    return bytes(header) + b"".join(sectors) + struct.pack(f"<{len(fat)}I", *fat)


def _paragraph(text: str) -> str:
    return f"<a:p>{''.join(f'<a:r><a:t>{run}</a:t></a:r>' for run in text.split('|'))}</a:p>"


def _zip(parts: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _types(parts: Mapping[str, str]) -> str:
    overrides = "".join(
        f'<Override PartName="{name}" ContentType="{_OFFICE}.{kind}+xml"/>'
        for name, kind in parts.items()
    )
    return (
        f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{overrides}</Types>'
    )


def _rels(targets: Mapping[str, tuple[str, str]]) -> str:
    inner = "".join(
        f'<Relationship Id="{key}" Type="{_REL}/{kind}" Target="{target}"/>'
        for key, (kind, target) in targets.items()
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{inner}</Relationships>'


def change_part(data: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """A zip file with one of its parts changed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for part in old.namelist():
            new.writestr(part, change(old.read(part)) if part == name else old.read(part))
    return buffer.getvalue()
