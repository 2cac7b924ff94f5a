"""What a hostile file is. Pure data."""

import random
from collections.abc import Callable
from dataclasses import dataclass

READ = frozenset({"searchable"})
DAMAGED = frozenset({"searchable", "unreadable_document", "no_text_found"})
"""Damage that a forgiving reader may read past."""
BROKEN = frozenset({"unreadable_document"})
FOREIGN = frozenset({"unsupported_media_type"})
LOCKED = frozenset({"password_required"})
TOO_LARGE = frozenset({"document_too_large"})
BOUNDED = DAMAGED | TOO_LARGE | {"parse_memory_exceeded"}
"""What is too much may be refused, left out, or met by a limit."""


@dataclass(frozen=True, slots=True)
class Hostile:
    """One file: the name it comes under, how it is made, and the ends it may come to."""

    kind: str
    name: str
    build: Callable[[], bytes]
    ends: frozenset[str]
    is_slow: bool = False


def cut(data: bytes) -> bytes:
    """The first half."""
    return data[: len(data) // 2]


def flip(data: bytes, *, seed: int = 7, share: float = 0.002) -> bytes:
    """The same bytes with a few bits turned over, the same ones every time."""
    dice = random.Random(seed)  # noqa: S311 - nothing secret
    changed = bytearray(data)
    for _ in range(max(8, int(len(data) * share))):
        changed[dice.randrange(8, len(data))] ^= 1 << dice.randrange(8)
    return bytes(changed)
