"""Office files and archives made to do harm."""

import io
import itertools
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping

from tests.hostile.kinds import (
    BOUNDED,
    BROKEN,
    DAMAGED,
    FOREIGN,
    LOCKED,
    READ,
    TOO_LARGE,
    Hostile,
    cut,
    flip,
)
from tests.unit.ingestion import files, office_files

_MARK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_TYPES = (
    b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default '
    b'Extension="xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.'
    b'document.main+xml"/></Types>'
)
_WORDS = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def _docx(body: str, *, before: str = "", more: Mapping[str, bytes] | None = None) -> bytes:
    """A Word document whose parts are written by hand."""
    text = f"<w:p><w:r><w:t>The river rises {body}</w:t></w:r></w:p>"
    document = (
        f'<?xml version="1.0"?>{before}<w:document {_WORDS}><w:body>{text}</w:body></w:document>'
    )
    return _zip(
        {"[Content_Types].xml": _TYPES, "word/document.xml": document.encode(), **(more or {})}
    )


def _zip(parts: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _billion_laughs() -> bytes:
    names = [f"l{n}" for n in range(12)]
    entities = "".join(
        f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in itertools.pairwise(names)
    )
    return _docx("&l11;", before=f'<!DOCTYPE d [<!ENTITY l0 "lol">{entities}]>')


def _outside_entity() -> bytes:
    return _docx("&x;", before='<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>')


def _deep_xml() -> bytes:
    return _docx("</w:t></w:r></w:p>" + "<w:p>" * 100_000 + "<w:p><w:r><w:t>")


def _with_link() -> bytes:
    buffer = io.BytesIO(_docx("in the hills"))
    with zipfile.ZipFile(buffer, "a") as archive:
        link = zipfile.ZipInfo("word/media/link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return buffer.getvalue()


def _lying_zip() -> bytes:
    """The zip bomb, whose folder says that its text has ten bytes."""
    data = bytearray(files.build_zip_bomb())
    place = data.find(b"PK\x01\x02", data.find(b"PK\x01\x02") + 4)
    data[place + 24 : place + 28] = struct.pack("<I", 10)
    return bytes(data)


def _nested_zip() -> bytes:
    data = b"river"
    for depth in range(50):
        data = _zip({f"{depth}.zip": data})
    return data


def _tar_of_links() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo("../../etc/passwd")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return buffer.getvalue()


def _compound_loop() -> bytes:
    """A container of old Office whose list of sectors points to itself."""
    header = _MARK + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<IIIIIIIII", 0, 1, 0, 0, 4096, 0, 1, 0, 1)
    header += struct.pack("<109I", 0, *[0xFFFFFFFF] * 108)
    return header + struct.pack("<128I", *[0] * 128) + bytes(4096)


def _sealed() -> bytes:
    return office_files.encrypt(files.build_docx(), "secret")


def _sealed_bomb() -> bytes:
    return office_files.encrypt(files.build_zip_bomb(), "VelvetSweatshop")


def _sealed_noise() -> bytes:
    return office_files.build_compound({"EncryptedPackage": b"x", "EncryptionInfo": b"x"})


def _far_cell() -> bytes:
    far = b'<row r="1048576"><c r="XFD1048576"><v>2</v></c></row></sheetData>'
    return office_files.change_part(
        office_files.build_xlsx("a", [["river"]]),
        "xl/worksheets/sheet1.xml",
        lambda part: part.replace(b"</sheetData>", far),
    )


_WHOLE: Mapping[str, Callable[[], bytes]] = {
    "pptx": lambda: office_files.build_pptx([office_files.text_box("The river rises")]),
    "xlsx": lambda: office_files.build_xlsx("a", [["river", "sea"]] * 50),
    "odt": office_files.build_odt,
    "epub": lambda: office_files.build_epub({"One": "The river rises"}),
    "msg": lambda: office_files.build_msg("river", "The river rises", []),
    "rtf": lambda: office_files.RTF,
    "eml": lambda: office_files.build_mail("The river rises"),
}


def _harmed(name: str, whole: Callable[[], bytes]) -> Iterator[Hostile]:
    ends = DAMAGED | FOREIGN | TOO_LARGE
    yield Hostile(f"{name} cut off", f"a.{name}", lambda: cut(whole()), ends)
    yield Hostile(
        f"{name} with flipped bits", f"a.{name}", lambda: flip(whole()), ends, is_slow=True
    )


KINDS = (
    Hostile("zip bomb as a Word document", "a.docx", files.build_zip_bomb, TOO_LARGE),
    Hostile("zip bomb that lies about its size", "a.docx", _lying_zip, BOUNDED | FOREIGN),
    Hostile(
        "zip of 70 000 files",
        "a.docx",
        lambda: files.build_zip([str(n) for n in range(70_000)]),
        FOREIGN,
        is_slow=True,
    ),
    Hostile("zip in a zip, fifty times", "a.zip", _nested_zip, FOREIGN),
    Hostile("tar that links elsewhere", "a.tar", _tar_of_links, FOREIGN),
    Hostile("Word document with entities of entities", "a.docx", _billion_laughs, BOUNDED),
    Hostile("Word document that includes a file", "a.docx", _outside_entity, DAMAGED),
    Hostile("Word document nested deep", "a.docx", _deep_xml, BOUNDED | {"parser_crashed"}),
    Hostile(
        "Word document with paths upwards",
        "a.docx",
        lambda: _docx("in the hills", more={"../../../evil": b"x", "/tmp/evil": b"x"}),  # noqa: S108
        READ,
    ),
    Hostile("Word document with a link", "a.docx", _with_link, READ),
    Hostile("Word document cut off", "a.docx", lambda: cut(files.build_docx()), DAMAGED | FOREIGN),
    Hostile(
        "Word document with flipped bits",
        "a.docx",
        lambda: flip(files.build_docx()),
        DAMAGED | FOREIGN,
    ),
    Hostile(
        "Word document of empty parts",
        "a.docx",
        lambda: files.build_zip(["word/document.xml"]),
        DAMAGED,
    ),
    Hostile("workbook with a cell at its far end", "a.xlsx", _far_cell, BOUNDED | FOREIGN),
    Hostile("container that runs in a circle", "a.doc", _compound_loop, FOREIGN | BROKEN),
    Hostile("container of noise", "a.xls", lambda: _MARK + b"\xfe" * 5000, FOREIGN | BROKEN),
    Hostile("Office document under a password", "a.docx", _sealed, LOCKED),
    Hostile("zip bomb under a password that needs no asking", "a.xlsx", _sealed_bomb, TOO_LARGE),
    Hostile("lock without a key or content", "a.docx", _sealed_noise, BROKEN),
    *(hostile for name, whole in _WHOLE.items() for hostile in _harmed(name, whole)),
)
