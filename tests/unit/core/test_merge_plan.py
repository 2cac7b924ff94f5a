"""What is merged when: few segments, each vector written a few times, nothing too large."""

from hypothesis import given
from hypothesis import strategies as st

from core.ids import SegmentId
from core.merge_plan import MAX_VECTORS, SegmentSize, choose_full_merge, choose_merge


def sizes(*numbers: int) -> list[SegmentSize]:
    return [SegmentSize(SegmentId(f"seg_{i}"), count, 0) for i, count in enumerate(numbers)]


def test_seven_small_segments_stay_and_eight_are_merged() -> None:
    assert choose_merge(sizes(*[100] * 7)) == []
    assert len(choose_merge(sizes(*[100] * 8))) == 8


def test_segments_of_different_tiers_are_left_apart() -> None:
    assert choose_merge(sizes(*[100] * 7, *[1_000] * 7, *[10_000] * 7)) == []


def test_smaller_segments_come_along() -> None:
    assert len(choose_merge(sizes(*[1_000] * 8, *[100] * 3))) == 11


def test_segment_that_is_a_fifth_deleted_is_written_anew() -> None:
    wasteful = SegmentSize(SegmentId("old"), 100, 21)

    assert choose_merge([*sizes(100), wasteful]) == ["old"]
    assert choose_merge([SegmentSize(SegmentId("fine"), 100, 20)]) == []


def test_full_merge_ends_with_one_segment_without_deletions() -> None:
    segments = [SegmentSize(SegmentId("a"), 100, 1)]

    assert choose_full_merge(segments) == ["a"]
    assert choose_full_merge(sizes(100)) == []
    assert len(choose_full_merge(sizes(5, 500_000, 400_000))) == 3


@given(st.lists(st.integers(1, 2_000_000), max_size=40))
def test_merging_ends_and_respects_the_limit(numbers: list[int]) -> None:
    segments = sizes(*numbers)
    for step in range(200):
        chosen = set(choose_merge(segments))
        if not chosen:
            break
        total = sum(one.num_vectors for one in segments if one.id in chosen)
        assert total <= MAX_VECTORS
        segments = [one for one in segments if one.id not in chosen]
        segments.append(SegmentSize(SegmentId(f"merged_{step}"), total, 0))
    assert choose_merge(segments) == []
    assert sum(one.num_vectors for one in segments) == sum(numbers)


def test_million_chunks_in_documents_of_fifty_end_in_few_segments() -> None:
    segments: list[SegmentSize] = []
    written = 0
    for number in range(4_000):
        segments.append(SegmentSize(SegmentId(f"new_{number}"), 50, 0))
        while chosen := set(choose_merge(segments)):
            total = sum(one.num_vectors for one in segments if one.id in chosen)
            segments = [one for one in segments if one.id not in chosen]
            segments.append(SegmentSize(SegmentId(f"merged_{number}_{total}"), total, 0))
            written += total
        assert len(segments) <= 40
    assert written <= 200_000 * 6
