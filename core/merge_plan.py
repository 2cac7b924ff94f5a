"""Which segments to merge, by their sizes. Pure: no file, no database."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from core.ids import SegmentId

# A segment is built in memory: a million vectors of 384 dimensions need about 1.5 GB then.
MAX_VECTORS: Final = 1_000_000
_FAN_IN: Final = 8
_LEAST: Final = 512
_MAX_DELETED: Final = 0.2


@dataclass(frozen=True, slots=True)
class SegmentSize:
    """A segment, its vectors, and how many of them are deleted."""

    id: SegmentId
    num_vectors: int
    num_deleted: int

    @property
    def num_live(self) -> int:
        return self.num_vectors - self.num_deleted

    @property
    def tier(self) -> int:
        """0 for the smallest; each tier holds segments eight times as large as the one below."""
        tier = 0
        while self.num_live >= _LEAST * _FAN_IN**tier:
            tier += 1
        return tier


def choose_merge(segments: Sequence[SegmentSize]) -> list[SegmentId]:
    """What to merge into one segment now; empty where all is well.

    Eight of a tier become one of the next, so that N vectors are in some 8 log8(N) segments and
    each is written log8(N) times. What is a fifth deleted is written anew without it.
    """
    wasteful = [one for one in segments if one.num_deleted > _MAX_DELETED * one.num_vectors]
    tiers = sorted({one.tier for one in segments})
    for tier in tiers:
        alike = [one for one in segments if one.tier == tier]
        if len(alike) >= _FAN_IN:
            # smaller ones come along: they would be merged soon, and weigh little
            together = _within_limit([one for one in segments if one.tier <= tier])
            if len(together) > 1:
                return together
    return [wasteful[0].id] if wasteful else []


def choose_full_merge(segments: Sequence[SegmentSize]) -> list[SegmentId]:
    """What to merge next on the way to the fewest segments without deleted vectors."""
    together = _within_limit(segments)
    if len(together) > 1:
        return together
    return [one.id for one in segments if one.num_deleted][:1]


def _within_limit(segments: Iterable[SegmentSize]) -> list[SegmentId]:
    chosen: list[SegmentId] = []
    total = 0
    for one in sorted(segments, key=lambda one: one.num_live):
        total += one.num_live
        if total > MAX_VECTORS:
            break
        chosen.append(one.id)
    return chosen
