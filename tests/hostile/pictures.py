"""Pictures made to do harm. Without the `ocr` extra each ends as `ocr_not_installed`."""

import struct
import zlib

from tests.hostile.kinds import DAMAGED, FOREIGN, TOO_LARGE, Hostile, cut, flip
from tests.unit.ingestion import files

_OCR = frozenset({"ocr_not_installed"})


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


def _png(width: int, height: int, pixels: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    parts = (_chunk(b"IHDR", header), _chunk(b"IDAT", pixels), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _text_bomb() -> bytes:
    # a comment that unpacks to 100 MB
    data = files.build_picture(["river"])
    bomb = _chunk(b"zTXt", b"Comment\x00\x00" + zlib.compress(bytes(100_000_000), 9))
    return data[:33] + bomb + data[33:]


def _tiff_loop() -> bytes:
    # the folder of the first page says that the next page is the first
    entries = ((256, 4, 1, 1), (257, 4, 1, 1), (273, 4, 1, 8), (279, 4, 1, 1))
    folder = struct.pack("<H", len(entries))
    folder += b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\x00" + struct.pack("<I", 8) + folder + struct.pack("<I", 8)


def _bmp(width: int, height: int) -> bytes:
    head = b"BM" + struct.pack("<IHHI", 60, 0, 0, 54)
    return head + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 6, 0, 0, 0, 0) + bytes(6)


KINDS = (
    Hostile(
        "picture of 2.5 gigapixels",
        "a.png",
        lambda: _png(50_000, 50_000, zlib.compress(bytes(1000))),
        TOO_LARGE | _OCR,
    ),
    Hostile("picture with a packed comment", "a.png", _text_bomb, DAMAGED | _OCR, is_slow=True),
    Hostile("picture cut off", "a.png", lambda: cut(files.build_picture(["x"])), DAMAGED | _OCR),
    Hostile(
        "picture with flipped bits",
        "a.jpg",
        lambda: flip(files.build_picture(["river"], kind="JPEG")),
        DAMAGED | FOREIGN | _OCR,
        is_slow=True,
    ),
    Hostile(
        "picture whose pages run in a circle",
        "a.tif",
        _tiff_loop,
        DAMAGED | TOO_LARGE | _OCR,
        is_slow=True,
    ),
    Hostile(
        "picture below nothing", "a.bmp", lambda: _bmp(2, -(2**31)), DAMAGED | TOO_LARGE | _OCR
    ),
    Hostile(
        "picture that is a web page too",
        "a.html",
        lambda: files.build_picture([], kind="GIF") + b"<html><script>x</script></html>",
        frozenset({"no_text_found"}) | _OCR,
        is_slow=True,
    ),
    Hostile(
        "picture of its mark alone", "a.webp", lambda: b"RIFF\x00\x00\x00\x00WEBP", DAMAGED | _OCR
    ),
)
