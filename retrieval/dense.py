"""Nearest vectors over a snapshot, exactly, under an access mask. Pure: no model, no database."""

import heapq

import faiss
import numpy as np
import numpy.typing as npt

from core.access import Access
from core.ids import ChunkId
from retrieval.segments import OpenSegment, Snapshot
from retrieval.types import Hit


def search_dense(
    snapshot: Snapshot, query: npt.NDArray[np.float32], *, access: Access, top_k: int
) -> list[Hit]:
    """Find the `top_k` visible chunks whose vectors are nearest to `query`, (D,) of unit length.

    The mask works inside the search, so that deleted and foreign vectors never take a place.
    Scores are cosines; best first, ties by chunk id.
    """
    hits = [
        hit for opened in snapshot.segments for hit in _search_segment(opened, query, access, top_k)
    ]
    return heapq.nsmallest(top_k, hits, key=lambda hit: (-hit.score, hit.chunk_id))


def _search_segment(
    opened: OpenSegment, query: npt.NDArray[np.float32], access: Access, top_k: int
) -> list[Hit]:
    visible = opened.visible_to(access)
    num_visible = int(visible.sum())
    if num_visible == 0:
        return []
    parameters = None
    if num_visible < len(visible):
        # FAISS reads the bits from this array while it searches: it must outlive the call.
        bits = np.packbits(visible, bitorder="little")
        parameters = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bits))
    scores, positions = opened.segment.index.search(
        query[None, :], min(top_k, num_visible), params=parameters
    )  # (1, k), (1, k)
    return [
        Hit(ChunkId(int(opened.segment.chunk_ids[position])), float(score))
        for score, position in zip(scores[0], positions[0], strict=True)
        if position >= 0
    ]
