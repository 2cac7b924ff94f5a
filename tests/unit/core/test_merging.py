"""Merging, mending and rebuilding change how the index is laid out, never what it finds."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from core.access import Access
from core.errors import AlreadyRunningError
from core.ids import SegmentId
from core.merge_plan import choose_full_merge, choose_merge
from core.merging import OutdatedMergeError, Replaced, Workshop, mend, merge_once, rebuild_all
from core.segments import list_segments, load_segment, save_segment
from core.tables import DeletedChunkRow, SegmentRow
from core.verify import Premises, verify
from retrieval.types import Mode
from tests.library import Library

EVERYTHING = Access.to_everything()


@pytest.fixture
def shop(library: Library) -> Workshop:
    return Workshop(library.database, library.segments)


def fill(library: Library, count: int = 8) -> None:
    collection = library.default_collection()
    for number in range(count):
        library.publish(collection, f"{number}.txt", [f"river {number}", f"stone {number}"])


def found(library: Library) -> list[tuple[int, float]]:
    passages = library.retriever().retrieve(
        "river stone", access=EVERYTHING, top_k=50, mode=Mode.DENSE
    )
    return [(passage.id, passage.score) for passage in passages]


def tombstones(library: Library) -> list[int]:
    with library.database.read_scope() as session:
        return list(session.scalars(select(DeletedChunkRow.chunk_id)))


def assert_sound(library: Library) -> None:
    premises = Premises(library.database, library.blobs, library.segments, alone=True)
    left = [one for one in verify(premises, repair=False).findings if "blob" not in one.kind]
    assert left == []


def test_merged_index_finds_the_same(library: Library, shop: Workshop) -> None:
    fill(library)
    before = found(library)

    assert merge_once(shop, choose_merge) == Replaced(8, 1, 16)

    assert found(library) == before
    assert len(list_segments(library.root)) == 1
    assert merge_once(shop, choose_merge) is None
    assert_sound(library)


def test_deleted_vectors_leave_the_disk_and_their_tombstones_go(
    library: Library, shop: Workshop
) -> None:
    fill(library, 2)
    library.delete(library.publish(library.default_collection(), "gone.txt", ["secret"]))
    kept = library.publish(library.default_collection(), "kept.txt", ["kept"])

    merge_once(shop, choose_full_merge)
    library.delete(kept)

    assert len(tombstones(library)) == 1  # of `kept`, which the merged segment still holds
    merge_once(shop, choose_full_merge)
    assert tombstones(library) == []
    assert_sound(library)


def test_segment_without_a_live_vector_is_dropped(library: Library, shop: Workshop) -> None:
    library.delete(library.publish(library.default_collection(), "gone.txt", ["secret"]))

    assert merge_once(shop, choose_merge) == Replaced(1, 0, 0)

    assert list_segments(library.root) == set()
    assert found(library) == []


def test_open_reader_follows_a_merge(library: Library, shop: Workshop) -> None:
    fill(library)
    retriever = library.retriever()
    before = retriever.retrieve("river stone", access=EVERYTHING, top_k=50, mode=Mode.DENSE)

    merge_once(shop, choose_merge)

    assert retriever.retrieve("river stone", access=EVERYTHING, top_k=50, mode=Mode.DENSE) == before


def test_chunk_deleted_during_a_merge_stays_masked(library: Library, shop: Workshop) -> None:
    fill(library, 8)
    doomed = library.publish(library.default_collection(), "doomed.txt", ["river stone doomed"])
    deleting = replace(shop, check=once(lambda: library.delete(doomed)))

    assert merge_once(deleting, choose_merge) is not None

    passages = library.retriever().retrieve("doomed", access=EVERYTHING, top_k=50, mode=Mode.DENSE)
    names = {passage.document_name for passage in passages}
    assert names == {f"{number}.txt" for number in range(8)}
    assert len(tombstones(library)) == 1
    assert_sound(library)


def test_document_published_during_a_rebuild_is_kept(library: Library, shop: Workshop) -> None:
    fill(library, 2)

    def publish() -> None:
        library.publish(library.default_collection(), "new.txt", ["river new"])

    rebuild_all(replace(shop, check=once(publish)))

    assert len(found(library)) == 5
    assert_sound(library)


def test_rebuilding_needs_no_folder_and_no_model(library: Library, shop: Workshop) -> None:
    fill(library)
    library.delete(library.publish(library.default_collection(), "gone.txt", ["secret"]))
    before = found(library)
    shutil.rmtree(library.root)

    assert rebuild_all(shop) == [Replaced(9, 1, 16)]

    assert found(library) == before
    assert tombstones(library) == []
    assert_sound(library)


def test_damaged_segments_are_mended_and_sound_ones_left_alone(
    library: Library, shop: Workshop
) -> None:
    fill(library, 3)
    before = found(library)
    first, second, third = sorted(library.root.iterdir())
    shutil.rmtree(first)
    (second / "segment.json").write_text("{")

    assert mend(shop) == Replaced(2, 1, 4)

    assert found(library) == before
    assert third.exists()
    assert mend(shop) is None
    assert_sound(library)


@pytest.mark.parametrize("work", [rebuild_all, mend, lambda shop: merge_once(shop, choose_merge)])
def test_work_on_segments_that_were_replaced_meanwhile_is_given_up(
    library: Library, shop: Workshop, work: Callable[[Workshop], object]
) -> None:
    fill(library)
    if work is mend:
        shutil.rmtree(min(library.root.iterdir()))
    folders = list_segments(library.root)

    with pytest.raises(OutdatedMergeError):
        work(replace(shop, check=once(lambda: forget_a_segment(library))))

    assert list_segments(library.root) == folders


def test_segment_that_cannot_be_written_leaves_no_half_of_it(library: Library) -> None:
    fill(library, 1)
    whole = list_segments(library.root)
    loaded = load_segment(library.root, min(whole), num_vectors=2)

    with pytest.raises(TypeError):
        save_segment(library.root, replace(loaded, id=SegmentId("seg_half"), index=object()))

    assert list_segments(library.root) == whole


def test_crash_after_the_commit_leaves_only_folders_that_are_swept(
    library: Library, shop: Workshop, tmp_path: Path
) -> None:
    fill(library)
    before = found(library)
    shutil.copytree(library.root, tmp_path / "aside")
    merge_once(shop, choose_merge)
    shutil.copytree(tmp_path / "aside", library.root, dirs_exist_ok=True)

    assert found(library) == before
    assert len(list_segments(library.root)) == 9
    verify(Premises(library.database, library.blobs, library.segments, alone=True), repair=True)
    assert len(list_segments(library.root)) == 1
    assert found(library) == before


def test_two_processes_never_keep_one_index(shop: Workshop) -> None:
    with shop.lock(), pytest.raises(AlreadyRunningError, match=r"index\.lock"), shop.lock():
        pass


def once(what: Callable[[], object]) -> Callable[[], None]:
    """A check that does something to the library the first time it is called."""
    left = [what]

    def check() -> None:
        if left:
            left.pop()()

    return check


def forget_a_segment(library: Library) -> None:
    with library.database.session_scope() as session:
        name = session.scalars(select(SegmentRow.id).order_by(SegmentRow.id).limit(1)).one()
        session.execute(delete(SegmentRow).where(SegmentRow.id == name))
