"""Merge rankings into one. Pure: no model, no database."""

import heapq
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Final

from core.ids import ChunkId
from retrieval.types import Hit

# Fitted by `python -m benchmarks.retrieval`; docs/decisions/0010-fusion.md has the figures.
LEXICAL_WEIGHT: Final = 0.2


def fuse(
    dense: Mapping[ChunkId, float],
    lexical: Mapping[ChunkId, float],
    *,
    top_k: int,
    weight: float = LEXICAL_WEIGHT,
) -> list[Hit]:
    """The best of the chunks that have a cosine, by cosine plus `weight` times lexical share.

    Both are scores that mean the same from question to question, so that words weigh little where
    few of a question's words are found, as in another language. Best first, ties by chunk id.
    """
    scored = (
        (-(cosine + weight * lexical.get(chunk_id, 0.0)), chunk_id)
        for chunk_id, cosine in dense.items()
    )
    return [
        Hit(chunk_id, -negated, {"dense": dense[chunk_id], "lexical": lexical.get(chunk_id, 0.0)})
        for negated, chunk_id in heapq.nsmallest(top_k, scored)
    ]


def take_turns(rankings: Sequence[Sequence[Hit]], *, top_k: int) -> list[Hit]:
    """The first of each ranking, then the second of each, and so on, every chunk once.

    For the parts of a question: by score one part could fill all places. A chunk that several found
    has the best of its scores.
    """
    turns = [hit for turn in zip_longest(*rankings) for hit in turn if hit is not None]
    best: dict[ChunkId, Hit] = {}
    for hit in turns:
        before = best.get(hit.chunk_id, hit)
        best[hit.chunk_id] = max(before, hit, key=lambda each: each.score)
    return list(best.values())[:top_k]
