"""A short form of `benchmarks.search_soak`: searching never notices writing and merging."""

from pathlib import Path

from benchmarks.search_soak import SearchSoak


def test_nothing_deleted_or_foreign_is_found_and_nothing_committed_is_missed(
    tmp_path: Path,
) -> None:
    books = SearchSoak(tmp_path).run(num_threads=12, duration_s=4.0)

    assert books.faults == []
    assert books.num_searches
    assert books.num_writes
