"""Ids: opaque, sortable by creation time, typed apart. Never parsed, never reused."""

import secrets
import time
from typing import NewType

CollectionId = NewType("CollectionId", str)
DocumentId = NewType("DocumentId", str)
VersionId = NewType("VersionId", str)
SegmentId = NewType("SegmentId", str)
WorkerId = NewType("WorkerId", str)
AnswerId = NewType("AnswerId", str)
ConversationId = NewType("ConversationId", str)
EvaluationId = NewType("EvaluationId", str)
PersonId = NewType("PersonId", str)
GroupId = NewType("GroupId", str)
ChunkId = NewType("ChunkId", int)

# Crockford's base 32: no i, l, o or u, so an id read aloud or retyped stays itself.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_RANDOM_BITS = 80
_NUM_CHARS = 26


def new_id(prefix: str) -> str:
    """Make an id such as `doc_01k...`: 48 bits of milliseconds, then 80 random bits (a ULID)."""
    value = (time.time_ns() // 1_000_000) << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
    chars = [_ALPHABET[(value >> (5 * i)) & 31] for i in reversed(range(_NUM_CHARS))]
    return f"{prefix}_{''.join(chars)}"
