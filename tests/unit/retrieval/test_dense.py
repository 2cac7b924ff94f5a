"""Dense search under masks: whatever is left out, the rest still fills the top k."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.access import Access
from core.ids import ChunkId, CollectionId, SegmentId
from core.segments import Segment, SegmentContent, Vectors, build_segment
from retrieval.dense import search_dense
from retrieval.segments import Snapshot
from retrieval.selection import OpenSegment
from retrieval.types import ChunkIds, Hit

EVERYTHING = Access.to_everything()
NUM_DIMENSIONS = 16
MINE, THEIRS = CollectionId("mine"), CollectionId("theirs")


def random_vectors(count: int, seed: int) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((count, NUM_DIMENSIONS))
    unit: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def random_segment(name: str, first_id: int, count: int) -> Segment:
    ids = np.arange(first_id, first_id + count, dtype=np.int64)
    owners = [MINE if chunk_id % 3 else THEIRS for chunk_id in ids.tolist()]
    vectors = random_vectors(count, first_id)
    return build_segment(SegmentId(name), SegmentContent(ids, owners, vectors))


SEGMENTS = (random_segment("a", 0, 50), random_segment("b", 100, 200))
QUERY = random_vectors(1, 99)[0]


def snapshot(deleted: ChunkIds) -> Snapshot:
    return Snapshot(1, tuple(OpenSegment.without(segment, deleted) for segment in SEGMENTS))


def best_of(ids: set[int], top_k: int) -> list[int]:
    scores = {
        int(chunk_id): float(segment.index.reconstruct(position) @ QUERY)
        for segment in SEGMENTS
        for position, chunk_id in enumerate(segment.chunk_ids)
    }
    return sorted(ids & scores.keys(), key=lambda chunk_id: -scores[chunk_id])[:top_k]


def ids_of(hits: list[Hit]) -> list[ChunkId]:
    return [hit.chunk_id for hit in hits]


chunk_ids = st.sets(st.integers(0, 320))


@settings(max_examples=60, deadline=None)
@given(
    deleted=chunk_ids,
    allowed=st.none() | chunk_ids,
    access=st.sampled_from([EVERYTHING, Access(frozenset({MINE}))]),
    top_k=st.integers(1, 40),
)
def test_hits_are_the_nearest_of_what_is_live_visible_and_allowed(
    deleted: set[int], allowed: set[int] | None, access: Access, top_k: int
) -> None:
    asked = None if allowed is None else np.array(sorted(allowed), dtype=np.int64)

    hits = search_dense(
        snapshot(np.array(sorted(deleted), dtype=np.int64)),
        QUERY,
        access=access,
        top_k=top_k,
        allowed=asked,
    )

    left = {chunk_id for chunk_id in range(400) if chunk_id % 3 or access.allows(THEIRS)} - deleted
    assert ids_of(hits) == best_of(left if allowed is None else left & allowed, top_k)


def test_filter_of_foreign_chunks_finds_nothing() -> None:
    theirs = np.array([0, 3, 102], dtype=np.int64)

    found = search_dense(
        snapshot(np.zeros(0, dtype=np.int64)),
        QUERY,
        access=Access(frozenset({MINE})),
        top_k=5,
        allowed=theirs,
    )

    assert found == []


def test_scores_are_cosines() -> None:
    hits = search_dense(
        snapshot(np.zeros(0, dtype=np.int64)),
        SEGMENTS[0].index.reconstruct(7),
        access=EVERYTHING,
        top_k=1,
    )

    assert ids_of(hits) == [7]
    assert hits[0].score == pytest.approx(1.0, abs=1e-3)
