"""An old presentation (PPT) of one slide, plain or under a password, as [MS-PPT] and
[MS-OFFCRYPTO] describe them: written apart from what reads it.
"""

import hashlib
import struct
from typing import Final

from tests.unit.ingestion.office_files import build_compound

_CONTAINER: Final = 0xF
_KEY_BITS: Final = 128
_SALT: Final = bytes(range(16))
_VERIFIER: Final = bytes(range(16, 32))


def build_ppt(text: str, password: str | None = None) -> bytes:
    """Objects of the file are its document (1), its slide (2) and, sealed, how it is sealed (3)."""
    chars = _record(0x0FA0, text.encode("utf-16-le"))
    slide = _record(0x03EE, _record(0x03EF, bytes(24)) + chars, version=_CONTAINER)
    listed = _record(0x03F3, struct.pack("<IIIII", 2, 0, 0, 256, 0)) + chars
    document = _record(
        0x03E8,
        _record(0x03E9, bytes(40), version=1)
        + _record(0x0FF0, listed, version=_CONTAINER)
        + _record(0x03EA, b""),
        version=_CONTAINER,
    )
    objects = [document, slide]
    if password is not None:
        keys = _Keys(password)
        objects = [keys.seal(data, block=place) for place, data in enumerate(objects, start=1)]
        objects.append(_record(0x2F14, keys.describe(), version=_CONTAINER))
    offsets = [sum(map(len, objects[:place])) for place in range(len(objects))]
    directory = _record(0x1772, struct.pack(f"<I{len(objects)}I", 1 | len(objects) << 20, *offsets))
    places = sum(map(len, objects))
    edit = struct.pack("<IHBBIIIIHH", 256, 0, 0, 3, 0, places, 1, len(objects), 1, 0)
    if password is not None:
        edit += struct.pack("<I", len(objects))
    token = 0xE391C05F if password is None else 0xF3D1C4DF
    user = struct.pack("<IIIHHBBH", 20, token, places + len(directory), 0, 0x03F4, 3, 0, 0)
    return build_compound(
        {
            "Current User": _record(0x0FF6, user + struct.pack("<I", 8)),
            "PowerPoint Document": b"".join((*objects, directory, _record(0x0FF5, edit))),
        }
    )


class _Keys:
    """RC4 CryptoAPI encryption: a key for every numbered object."""

    def __init__(self, password: str) -> None:
        self._first = hashlib.sha1(_SALT + password.encode("utf-16-le")).digest()  # noqa: S324

    def seal(self, data: bytes, *, block: int) -> bytes:
        number = struct.pack("<I", block)
        key = hashlib.sha1(self._first + number).digest()[: _KEY_BITS // 8]  # noqa: S324
        return _rc4(key, data)

    def describe(self) -> bytes:
        """EncryptionInfo: the method, the salt, and what shows that a password is right."""
        provider = "Microsoft Enhanced Cryptographic Provider v1.0\0".encode("utf-16-le")
        header = struct.pack("<8I", 4, 0, 0x6801, 0x8004, _KEY_BITS, 1, 0, 0) + provider
        digest = hashlib.sha1(_VERIFIER).digest()  # noqa: S324
        sealed = self.seal(_VERIFIER + digest, block=0)
        verifier = struct.pack("<I", len(_SALT)) + _SALT + sealed[:16] + struct.pack("<I", 20)
        start = struct.pack("<HHII", 2, 2, 4, len(header))
        return start + header + verifier + sealed[16:]


def _record(kind: int, data: bytes, *, version: int = 0) -> bytes:
    return struct.pack("<HHI", version, kind, len(data)) + data


def _rc4(key: bytes, data: bytes) -> bytes:
    state = list(range(256))
    other = 0
    for place in range(256):
        other = (other + state[place] + key[place % len(key)]) % 256
        state[place], state[other] = state[other], state[place]
    sealed = bytearray()
    other = 0
    for count, byte in enumerate(data, start=1):
        place = count % 256
        other = (other + state[place]) % 256
        state[place], state[other] = state[other], state[place]
        sealed.append(byte ^ state[(state[place] + state[other]) % 256])
    return bytes(sealed)
