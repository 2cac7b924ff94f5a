"""Nearest vectors over a snapshot, under masks that work inside FAISS. Pure: no model, no database.

A segment says how many of its lists must be probed for how many results. A mask that lets a tenth
through makes the ten nearest visible vectors about the hundred nearest of all, so that the lists
are chosen for a hundred; a mask that lets little through is searched in every list, which is exact.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

import faiss
import numpy as np
import numpy.typing as npt

from core.access import Access
from core.ids import ChunkId
from core.segments import Segment, SegmentFacts
from retrieval.segments import Snapshot
from retrieval.selection import OpenSegment, Selection
from retrieval.types import ChunkIds, Hit

# Handing a search to another thread costs as much as comparing about this many vectors.
_WORTH_A_THREAD: Final = 5_000
# The score with its sign turned, and the chunk: in order, best first and ties by chunk id.
_Found = tuple[float, int]

_THREADS: Final = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="dense")


def search_dense(
    snapshot: Snapshot,
    query: npt.NDArray[np.float32],
    *,
    access: Access,
    top_k: int,
    allowed: ChunkIds | None = None,
) -> list[Hit]:
    """Find the `top_k` visible chunks whose vectors are nearest to `query`, (D,) of unit length.

    `allowed` are the chunks to search among, for instance those that a filter leaves; None is all.
    The masks work inside the search, so that deleted, foreign and filtered vectors never take a
    place. Scores are cosines; best first, ties by chunk id.
    """

    def search(opened: OpenSegment) -> list[_Found]:
        return _search_segment(opened, query, opened.select(access, allowed), top_k)

    here, elsewhere = _share_out(snapshot.segments)
    running = [_THREADS.submit(search, opened) for opened in elsewhere]
    found: list[_Found] = []
    for opened in here:
        found += search(opened)
    for future in running:
        found += future.result()
    found.sort()
    return [Hit(ChunkId(chunk_id), -negated) for negated, chunk_id in found[:top_k]]


def _share_out(
    segments: Sequence[OpenSegment],
) -> tuple[Sequence[OpenSegment], Sequence[OpenSegment]]:
    """The small ones and a large one for this thread, the other large ones for others."""
    small = [opened for opened in segments if len(opened.live) < _WORTH_A_THREAD]
    large = [opened for opened in segments if len(opened.live) >= _WORTH_A_THREAD]
    return small + large[:1], large[1:]


def _search_segment(
    opened: OpenSegment, query: npt.NDArray[np.float32], selection: Selection, top_k: int
) -> list[_Found]:
    wanted = min(top_k, selection.count)
    if wanted == 0:
        return []
    facts = opened.segment.facts
    num_probes = _num_probes(facts, wanted * len(opened.live) / selection.count)
    found = _ask(opened.segment, query, selection.parameters(num_probes), wanted)
    if len(found) < wanted:
        # What may be seen lies apart from where the query points.
        found = _ask(opened.segment, query, selection.parameters(facts.num_lists), wanted)
    return found


def _ask(
    segment: Segment, query: npt.NDArray[np.float32], parameters: Any, wanted: int
) -> list[_Found]:
    with _one_thread():
        both = segment.index.search(query[None, :], wanted, params=parameters)
    scores, positions = (rows[0] for rows in both)  # (k,), (k,)
    if positions[-1] < 0:  # what was not found is at the end
        is_found = positions >= 0
        scores, positions = scores[is_found], positions[is_found]
    chunk_ids = segment.chunk_ids[positions]
    return list(zip((-scores).tolist(), chunk_ids.tolist(), strict=True))


def _num_probes(facts: SegmentFacts, depth: float) -> int:
    """Lists to probe so that the `depth` nearest vectors are found; all where nobody measured."""
    for measured in sorted(facts.probes):
        if depth <= measured:
            return facts.probes[measured]
    return facts.num_lists


@contextmanager
def _one_thread() -> Iterator[None]:
    """Search in this thread alone: one query is too little to share out, and teams of threads
    under a hundred callers cost more than they bring. The count is torch's too: put it back.
    """
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
