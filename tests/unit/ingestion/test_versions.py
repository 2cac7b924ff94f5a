"""Versions: one name, many bytes; a search sees exactly one of them, history stays until purged."""

import threading

import pytest

from core.access import Access
from core.errors import BlobMissingError, DocumentNotFoundError
from core.ids import DocumentId
from ingestion.uploads import OnConflict
from retrieval.lexical.follower import LexicalFollower
from retrieval.lexical.index import LexicalIndex
from retrieval.retriever import Retriever
from retrieval.segments import SegmentReader
from tests.unit.ingestion.house import EVERYTHING, NO_ORPHANS, House

VERSION, SKIP = OnConflict.VERSION, OnConflict.SKIP


def retriever_of(house: House) -> Retriever:
    """A retriever over the same folder, as the service has one."""
    segments = SegmentReader(
        house.database, house.store.segments, embedding_model=house.embedder.model
    )
    lexical = LexicalFollower(house.database, LexicalIndex(house.data_dir / "lexical"))
    return Retriever(house.database, house.embedder, segments, lexical)


def states(house: House, document_id: DocumentId) -> dict[int, str]:
    """State by number, of every version there is."""
    return {v.number: v.state for v in house.documents.versions(document_id, EVERYTHING)}


@pytest.mark.parametrize("on_conflict", list(OnConflict))
def test_the_same_bytes_while_the_first_are_queued_change_nothing(
    house: House, on_conflict: OnConflict
) -> None:
    first = house.upload("a.txt", b"words")
    again = house.upload("a.txt", b"words", on_conflict=on_conflict)
    assert again.deduplicated
    assert (again.version_id, again.job_id) == (first.version_id, first.job_id)
    assert len(house.jobs.list(EVERYTHING)) == 1


def test_bytes_that_were_replaced_are_new_again(house: House) -> None:
    first = house.add("a.txt", b"one")
    house.add("a.txt", b"two")
    assert not house.add("a.txt", b"one").deduplicated
    assert house.searchable_text() == "one"
    assert states(house, first.document_id) == {3: "searchable"}


def test_damaged_bytes_are_mended_by_the_same_upload(house: House) -> None:
    first = house.add("a.txt", b"words")
    house.blobs.path(first.sha256).write_bytes(b"w0rds")
    assert house.upload("a.txt", b"words").deduplicated
    assert house.blobs.path(first.sha256).read_bytes() == b"words"


def test_history_outlives_a_later_replacement(house: House) -> None:
    first = house.add("a.txt", b"one")
    house.add("a.txt", b"two", on_conflict=VERSION)
    house.add("a.txt", b"three")
    assert states(house, first.document_id) == {1: "replaced", 3: "searchable"}
    assert house.documents.text(first.document_id, EVERYTHING, number=1).text == "one"
    assert house.searchable_text() == "three"


def test_skip_takes_a_name_under_which_nothing_came_of_anything(house: House) -> None:
    first = house.upload("a.txt", b"one")
    house.jobs.cancel(first.job_id, EVERYTHING)
    second = house.add("a.txt", b"two", on_conflict=SKIP)
    assert (second.skipped, second.number) == (False, 2)
    assert house.searchable_text() == "two"


def test_a_deleted_version_leaves_the_others_and_no_orphan(house: House) -> None:
    first = house.add("a.txt", b"one")
    house.add("a.txt", b"two", on_conflict=VERSION)
    purged = house.documents.delete_version(first.document_id, 1, EVERYTHING)
    assert (purged.versions, purged.chunks, purged.blobs) == (1, 0, 1)
    assert states(house, first.document_id) == {2: "searchable"}
    with pytest.raises(BlobMissingError):
        house.blobs.path(first.sha256)
    assert house.searchable_text() == "two"
    assert house.orphans() == NO_ORPHANS


def test_deleting_the_searchable_version_brings_no_older_one_back(house: House) -> None:
    first = house.add("a.txt", b"one")
    house.add("a.txt", b"two", on_conflict=VERSION)
    purged = house.documents.delete_version(first.document_id, 2, EVERYTHING)
    assert (purged.versions, purged.vectors) == (1, 1)
    assert house.searchable_text() == ""
    assert states(house, first.document_id) == {1: "replaced"}
    again = house.add("a.txt", b"one")
    assert (again.deduplicated, again.number) == (False, 3)
    assert house.searchable_text() == "one"
    assert house.orphans() == NO_ORPHANS


def test_the_last_version_takes_its_document_along(house: House) -> None:
    first = house.add("a.txt", b"one")
    with pytest.raises(DocumentNotFoundError):
        house.documents.delete_version(first.document_id, 2, EVERYTHING)
    with pytest.raises(DocumentNotFoundError):
        house.documents.delete_version(first.document_id, 1, Access(frozenset()))
    house.documents.delete_version(first.document_id, 1, EVERYTHING)
    with pytest.raises(DocumentNotFoundError):
        house.documents.get(first.document_id, EVERYTHING)
    assert house.orphans() == NO_ORPHANS


def test_a_version_deleted_while_queued_lets_the_one_before_stay(house: House) -> None:
    first = house.add("a.txt", b"one")
    second = house.upload("a.txt", b"two")
    house.documents.delete_version(first.document_id, second.number, EVERYTHING)
    assert house.attempts.list_open() == []
    assert house.searchable_text() == "one"
    assert house.orphans() == NO_ORPHANS


def test_readers_see_the_old_or_the_new_at_every_moment(house: House) -> None:
    retriever = retriever_of(house)
    house.add("a.txt", b"river 0")
    done = threading.Event()
    seen: list[list[str]] = []

    def read() -> None:
        while not done.is_set():
            found = retriever.retrieve("river", access=EVERYTHING, top_k=8)
            seen.append([passage.text for passage in found])

    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in readers:
        thread.start()
    for number in range(1, 25):
        house.add("a.txt", f"river {number}".encode())
    done.set()
    for thread in readers:
        thread.join()
    assert {len(found) for found in seen} == {1}
    # no reader went back to an older version
    assert house.searchable_text() == "river 24"
