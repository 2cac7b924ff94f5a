"""The index is kept in the background: mended, merged, and let alone while another is at it."""

import shutil
import time
from collections.abc import Callable

from core.merging import Workshop
from core.segments import list_segments
from ingestion.index_keeper import IndexDuty, Tidying, keep_index
from ingestion.sweep import sweep
from tests.unit.ingestion.house import NO_ORPHANS, House


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_uploads_are_merged_while_they_come(house: House) -> None:
    keeper = IndexDuty(house.store, Tidying(), name="tidying")
    keeper.start()
    for number in range(9):
        house.add(f"{number}.txt", f"river number {number}".encode())

    wait_for(lambda: len(list_segments(house.store.segments.root)) < 8)

    keeper.stop()
    assert keeper.join(30)
    assert len(house.searchable_chunks()) == 9
    assert house.orphans() == NO_ORPHANS


def test_damage_is_mended_from_the_rows(house: House) -> None:
    for number in range(3):
        house.add(f"{number}.txt", f"river number {number}".encode())
    shutil.rmtree(min(house.store.segments.root.iterdir()))

    keep_index(Workshop(house.database, house.store.segments))

    assert len(house.searchable_chunks()) == 3
    assert house.orphans() == NO_ORPHANS


def test_segment_of_a_merge_under_way_is_not_swept(house: House) -> None:
    unnamed = house.store.segments.root / "seg_being_merged"
    unnamed.mkdir(parents=True)

    with Workshop(house.database, house.store.segments).lock():
        assert sweep(house.store).segments == 0
    assert sweep(house.store).segments == 1
