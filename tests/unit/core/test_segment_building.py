"""Lists are built and probed so that what exact search finds is found, and stored so."""

from pathlib import Path

import numpy as np
import pytest

from core.access import Access
from core.ids import CollectionId, SegmentId
from core.segment_building import MIN_LISTED, VectorColumns, build_columns
from core.segments import Segment, Vectors, load_segment, save_segment
from retrieval.dense import search_dense
from retrieval.segments import Snapshot
from retrieval.selection import OpenSegment

NUM_VECTORS = MIN_LISTED + 1_000
RARE, COMMON = CollectionId("rare"), CollectionId("common")
NONE = np.zeros(0, dtype=np.int64)


def clustered(count: int, seed: int) -> Vectors:
    draw = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((50, 24))
    vectors = centres[draw.integers(0, 50, count)] + 0.5 * draw.standard_normal((count, 24))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(unit.astype(np.float16), dtype=np.float32)


VECTORS = clustered(NUM_VECTORS, 1)


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Segment:
    """A segment with lists, as a reader loads it; one chunk in a hundred is in `rare`."""
    root: Path = tmp_path_factory.mktemp("segments")
    chunk_ids = np.arange(0, 2 * NUM_VECTORS, 2, dtype=np.int64)
    codes = (np.arange(NUM_VECTORS) % 100 == 0).astype(np.int32)
    columns = VectorColumns(chunk_ids, codes, (COMMON, RARE), lambda rows: VECTORS[rows])
    built = build_columns(SegmentId("seg_listed"), columns, num_threads=2)
    save_segment(root, built)
    return load_segment(root, built.id, num_vectors=NUM_VECTORS)


def recall(
    listed: Segment, access: Access, mask: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> float:
    snapshot = Snapshot(1, (OpenSegment.without(listed, NONE),))
    positions = np.flatnonzero(mask)
    shares = []
    for query in clustered(100, 2):
        exact = positions[np.argsort(-(VECTORS[positions] @ query))[:10]] * 2
        hits = search_dense(snapshot, query, access=access, top_k=10)
        assert len(hits) == 10
        shares.append(len({hit.chunk_id for hit in hits} & set(exact.tolist())) / 10)
    return float(np.mean(shares))


def test_facts_say_what_was_measured(listed: Segment) -> None:
    assert listed.facts.kind == "ivf"
    assert listed.facts.recall10 >= 0.98
    assert list(listed.facts.probes) == [10, 100, 1_000]
    assert sorted(listed.facts.probes.values()) == list(listed.facts.probes.values())
    assert 1 <= listed.facts.probes[10] < listed.facts.num_lists


def test_vectors_come_back_as_sql_keeps_them(listed: Segment) -> None:
    rows = np.array([0, 7, NUM_VECTORS - 1])

    assert np.array_equal(listed.index.reconstruct_batch(rows), VECTORS[rows])


def test_questions_find_what_exact_search_finds(listed: Segment) -> None:
    everything = np.ones(NUM_VECTORS, dtype=np.bool_)

    assert recall(listed, Access.to_everything(), everything) >= 0.98


def test_mask_that_keeps_one_in_a_hundred_still_fills_the_top_k_exactly(listed: Segment) -> None:
    rare = np.arange(NUM_VECTORS) % 100 == 0

    assert recall(listed, Access(frozenset({RARE})), rare) >= 0.98


def test_filter_far_from_the_query_is_searched_to_the_end(listed: Segment) -> None:
    query = VECTORS[0]
    far = np.argsort(VECTORS @ query)[:500]  # not one of them in a list near the query

    hits = search_dense(
        Snapshot(1, (OpenSegment.without(listed, NONE),)),
        query,
        access=Access.to_everything(),
        top_k=20,
        allowed=np.sort(far) * 2,
    )

    nearest = far[np.argsort(-(VECTORS[far] @ query))[:20]] * 2
    assert {hit.chunk_id for hit in hits} == set(nearest.tolist())


def test_few_vectors_are_compared_one_by_one() -> None:
    few = VectorColumns(
        np.arange(100, dtype=np.int64),
        np.zeros(100, dtype=np.int32),
        (COMMON,),
        lambda rows: VECTORS[rows],
    )

    facts = build_columns(SegmentId("seg_flat"), few, num_threads=1).facts

    assert (facts.kind, facts.num_lists, facts.recall10) == ("flat", 0, 1.0)
