"""PDFs made to do harm."""

import zlib
from collections.abc import Mapping, Sequence

from tests.hostile.kinds import (
    BOUNDED,
    BROKEN,
    DAMAGED,
    LOCKED,
    READ,
    TOO_LARGE,
    Hostile,
    cut,
    flip,
)
from tests.unit.ingestion import files

_LINES = [["The river rises in the hills.", "It ends in the sea."]] * 3
_PAGE = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Contents 4 0 R %s >>"
_FONT = "/Resources << /Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
_TEXT = b"BT /F 12 Tf 20 200 Td (The river rises) Tj ET"


def _pdf(objects: Mapping[int, bytes | str], *, trailer: str = "") -> bytes:
    """A PDF of numbered objects with a right table of where they are."""
    data = bytearray(b"%PDF-1.7\n")
    places: dict[int, int] = {}
    for number, content in objects.items():
        places[number] = len(data)
        body = content.encode() if isinstance(content, str) else content
        data += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(data)
    data += b"xref\n0 1\n0000000000 65535 f \n"
    for number, place in places.items():
        data += b"%d 1\n%010d 00000 n \n" % (number, place)
    size = max(places) + 1
    data += f"trailer << /Size {size} /Root 1 0 R {trailer} >>\n".encode()
    return bytes(data + b"startxref\n%d\n%%%%EOF\n" % start)


def _stream(content: bytes, extra: str = "") -> bytes:
    head = f"<< /Length {len(content)} {extra} >>\nstream\n".encode()
    return head + content + b"\nendstream"


def _one_page(
    *, root: str = "", page: str = "", content: bytes | None = None, **more: bytes | str
) -> bytes:
    objects: dict[int, bytes | str] = {
        1: f"<< /Type /Catalog /Pages 2 0 R {root} >>",
        2: "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        3: _PAGE % (_FONT + page if "/Resources" not in page else page),
        4: content if content is not None else _stream(_TEXT),
    }
    objects |= {int(name.removeprefix("obj")): value for name, value in more.items()}
    return _pdf(objects)


def _tree(kids: Sequence[str], count: int) -> bytes:
    return _pdf(
        {
            1: "<< /Type /Catalog /Pages 2 0 R >>",
            2: f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {count} >>",
            3: _PAGE % _FONT,
            4: _stream(_TEXT),
        }
    )


def _deep_tree() -> bytes:
    objects: dict[int, bytes | str] = {1: "<< /Type /Catalog /Pages 2 0 R >>"}
    for number in range(2, 20_000):
        objects[number] = f"<< /Type /Pages /Kids [{number + 1} 0 R] /Count 1 >>"
    objects[20_000] = "<< /Type /Page /MediaBox [0 0 9 9] >>"
    return _pdf(objects)


def _flate_bomb() -> bytes:
    # spaces, packed twice: 300 MB in some hundred bytes
    packed = zlib.compress(zlib.compress(b" " * 300_000_000, 9), 9)
    return _one_page(content=_stream(packed, "/Filter [/FlateDecode /FlateDecode]"))


def _picture_bomb() -> bytes:
    pixels = zlib.compress(b"\x00" * (30_000 * 30_000 // 8), 9)
    picture = _stream(
        pixels,
        "/Type /XObject /Subtype /Image /Width 30000 /Height 30000 /ColorSpace /DeviceGray "
        "/BitsPerComponent 1 /Filter /FlateDecode",
    )
    return _one_page(
        page="/Resources << /XObject << /P 5 0 R >> >>",
        content=_stream(b"q 300 0 0 300 0 0 cm /P Do Q"),
        obj5=picture,
    )


def _outline_loop() -> bytes:
    entry = "<< /Title (again) /Parent 5 0 R /Next 6 0 R /First 6 0 R /Dest [3 0 R /Fit] >>"
    return _one_page(root="/Outlines 5 0 R", obj5="<< /First 6 0 R /Last 6 0 R >>", obj6=entry)


def _form_loop() -> bytes:
    form = _stream(
        b"/X Do",
        "/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 5 0 R >> >>",
    )
    return _one_page(
        page="/Resources << /XObject << /X 5 0 R >> >>", content=_stream(b"/X Do"), obj5=form
    )


def _with_program() -> bytes:
    return _one_page(
        root="/OpenAction << /S /Launch /F (/bin/sh) >> "
        "/Names << /EmbeddedFiles << /Names [(a.exe) 5 0 R] >> >>",
        obj5="<< /Type /Filespec /F (../../a.exe) /EF << /F 6 0 R >> >>",
        obj6=_stream(b"MZ" * 5000, "/Type /EmbeddedFile"),
    )


def _javascript() -> bytes:
    return _one_page(root="/OpenAction << /S /JavaScript /JS (while\\(1\\){}) >>")


KINDS = (
    Hostile("pdf of its mark alone", "a.pdf", lambda: b"%PDF-1.7\n", BROKEN),
    Hostile("pdf cut off", "a.pdf", lambda: cut(files.build_pdf(_LINES)), DAMAGED),
    Hostile("pdf with flipped bits", "a.pdf", lambda: flip(files.build_pdf(_LINES)), DAMAGED),
    Hostile("pdf with a loop of pages", "a.pdf", lambda: _tree(["2 0 R", "3 0 R"], 2), DAMAGED),
    Hostile("pdf that lies about its pages", "a.pdf", lambda: _tree(["3 0 R"], 2**31 - 1), BOUNDED),
    Hostile("pdf with a deep page tree", "a.pdf", _deep_tree, DAMAGED),
    Hostile("pdf with a loop in its outline", "a.pdf", _outline_loop, READ),
    Hostile("pdf whose form draws itself", "a.pdf", _form_loop, DAMAGED, is_slow=True),
    Hostile("pdf with a stream of 300 MB", "a.pdf", _flate_bomb, BOUNDED, is_slow=True),
    Hostile("pdf with a picture of 900 megapixels", "a.pdf", _picture_bomb, BOUNDED, is_slow=True),
    Hostile(
        "pdf with a page of a million points",
        "a.pdf",
        lambda: _one_page(page="/UserUnit 1000").replace(b"0 0 300 300", b"0 0 1000000 1000000"),
        DAMAGED,
    ),
    Hostile(
        "pdf of nested arrays", "a.pdf", lambda: _one_page(root="/X " + "[" * 100_000), DAMAGED
    ),
    Hostile("pdf that runs a script", "a.pdf", _javascript, READ),
    Hostile("pdf that holds and starts a program", "a.pdf", _with_program, READ),
    Hostile("pdf with too many pages", "a.pdf", lambda: files.build_pdf([["x"]] * 101), TOO_LARGE),
    Hostile("pdf under a password", "a.pdf", lambda: files.build_pdf(_LINES, password="s"), LOCKED),
    Hostile("pdf called a Word document", "a.docx", lambda: files.build_pdf(_LINES), READ),
    Hostile(
        "pdf that is a web page and a zip file too",
        "a.html",
        lambda: files.build_pdf(_LINES) + b"<html><script>x</script>" + files.build_zip(["a"]),
        READ,
    ),
)
