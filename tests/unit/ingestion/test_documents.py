"""Uploads, versions and deletion: nothing is lost, doubled, or found after it is gone."""

import threading
from contextlib import suppress

import pytest

from core.access import Access
from core.errors import BlobMissingError, CollectionNotFoundError, DocumentNotFoundError
from core.ids import CollectionId, DocumentId
from ingestion.attempts import NoLongerWantedError
from ingestion.documents import DocumentFilter
from ingestion.uploads import Accepted, OnConflict
from tests.unit.ingestion import files
from tests.unit.ingestion.house import EVERYTHING, NO_ORPHANS, House, attempt_of


def test_an_upload_is_queued_and_its_bytes_are_safe(house: House) -> None:
    accepted = house.upload("dir/a.md", b"# Hello\nthere")
    assert (accepted.number, accepted.deduplicated, accepted.num_bytes) == (1, False, 13)
    document = house.documents.get(accepted.document_id, EVERYTHING)
    assert (document.name, document.version.state) == ("a.md", "queued")
    assert house.blobs.path(accepted.sha256).read_bytes() == b"# Hello\nthere"
    assert house.jobs.get(accepted.job_id, EVERYTHING).state == "queued"


def test_an_ingested_document_shows_what_was_found(house: House) -> None:
    accepted = house.add("a.pdf", files.build_pdf([["The river rises here"], ["and ends there"]]))
    document = house.documents.get(accepted.document_id, EVERYTHING)
    version = document.version
    assert (version.state, version.num_pages, version.num_chunks) == ("searchable", 2, 2)
    text = house.documents.text(accepted.document_id, EVERYTHING, number=None)
    assert text.text[text.page_starts[1] :] == "and ends there"
    assert house.searchable_text() == "The river rises here\nand ends there"
    assert house.orphans() == NO_ORPHANS


def test_a_quote_has_rectangles_where_there_is_geometry(house: House) -> None:
    accepted = house.add("a.pdf", files.build_pdf([["The river rises here", "second line"]]))
    spans = [(accepted.version_id, 4, 9), (accepted.version_id, 0, 40)]
    (river,), (line, second) = house.documents.boxes(spans, EVERYTHING)
    assert line.x0 < river.x0 < river.x1 < line.x1
    assert second.y0 > line.y0
    assert house.documents.boxes(spans[:1], Access(frozenset())) == [[]]


def test_the_same_bytes_under_the_same_name_change_nothing(house: House) -> None:
    first = house.add("a.txt", b"words")
    again = house.upload("a.txt", b"words")
    assert again.deduplicated
    assert (again.version_id, again.job_id) == (first.version_id, first.job_id)
    assert house.orphans() == NO_ORPHANS


def test_the_same_bytes_under_another_name_are_another_document(house: House) -> None:
    first, second = house.add("a.txt", b"words"), house.add("b.txt", b"words")
    assert first.document_id != second.document_id
    purged = house.documents.delete(first.document_id, EVERYTHING)
    assert purged.blobs == 0
    content = house.documents.content(second.document_id, EVERYTHING, number=None)
    assert content.whole() == b"words"
    assert house.documents.delete(second.document_id, EVERYTHING).blobs == 1
    assert house.orphans() == NO_ORPHANS


def test_the_same_bytes_after_a_failure_are_tried_anew(house: House) -> None:
    first = house.upload("a.txt", b"words")
    house.jobs.cancel(first.job_id, EVERYTHING)
    second = house.add("a.txt", b"words")
    assert (second.number, second.deduplicated) == (2, False)
    assert house.searchable_text() == "words"
    assert [v.number for v in house.documents.versions(first.document_id, EVERYTHING)] == [2]
    assert house.orphans() == NO_ORPHANS


def test_lost_bytes_come_back_with_the_same_upload(house: House) -> None:
    accepted = house.add("a.txt", b"words")
    house.store.blobs.delete([accepted.sha256])
    content = house.documents.content(accepted.document_id, EVERYTHING, number=None)
    with pytest.raises(BlobMissingError):
        content.whole()
    assert house.upload("a.txt", b"words").deduplicated
    assert content.whole() == b"words"


def test_new_bytes_replace_the_older_version_when_they_are_ready(house: House) -> None:
    first = house.add("a.txt", b"old words")
    second = house.upload("a.txt", b"new words")
    assert house.searchable_text() == "old words"
    house.ingest(second)
    assert house.searchable_text() == "new words"
    assert [v.number for v in house.documents.versions(first.document_id, EVERYTHING)] == [2]
    assert house.orphans() == NO_ORPHANS


def test_history_is_kept_when_asked_for_but_not_searched(house: House) -> None:
    first = house.add("a.txt", b"old words")
    house.add("a.txt", b"new words", on_conflict=OnConflict.VERSION)
    states = {v.number: v.state for v in house.documents.versions(first.document_id, EVERYTHING)}
    assert states == {1: "replaced", 2: "searchable"}
    assert house.searchable_text() == "new words"
    old = house.documents.text(first.document_id, EVERYTHING, number=1)
    assert old.text == "old words"
    content = house.documents.content(first.document_id, EVERYTHING, number=1)
    assert content.whole() == b"old words"
    assert house.documents.delete(first.document_id, EVERYTHING).versions == 2
    assert house.orphans() == NO_ORPHANS


def test_a_version_overtaken_while_queued_ends_cancelled(house: House) -> None:
    first = house.upload("a.txt", b"old words")
    second = house.upload("a.txt", b"new words", on_conflict=OnConflict.VERSION)
    house.ingest(second)
    assert house.jobs.get(first.job_id, EVERYTHING).state == "cancelled"
    with pytest.raises(NoLongerWantedError):
        house.ingest(first)
    assert house.searchable_text() == "new words"


def test_skip_leaves_an_existing_name_alone(house: House) -> None:
    first = house.add("a.txt", b"old words")
    skipped = house.upload("a.txt", b"new words", on_conflict=OnConflict.SKIP)
    assert skipped.skipped
    assert (skipped.version_id, skipped.deduplicated) == (first.version_id, False)
    assert house.searchable_text() == "old words"
    assert house.orphans() == NO_ORPHANS


def test_a_deleted_document_is_gone_at_once(house: House) -> None:
    accepted = house.add("a.txt", b"secret words")
    purged = house.documents.delete(accepted.document_id, EVERYTHING)
    assert (purged.versions, purged.chunks, purged.vectors, purged.blobs) == (1, 1, 1, 1)
    assert house.searchable_text() == ""
    with pytest.raises(DocumentNotFoundError):
        house.documents.get(accepted.document_id, EVERYTHING)
    with pytest.raises(DocumentNotFoundError):
        house.documents.delete(accepted.document_id, EVERYTHING)
    assert house.orphans() == NO_ORPHANS


def test_a_document_deleted_while_queued_is_never_searchable(house: House) -> None:
    accepted = house.upload("a.txt", b"secret words")
    house.documents.delete(accepted.document_id, EVERYTHING)
    with pytest.raises(NoLongerWantedError):
        house.ingest(accepted)
    assert house.searchable_text() == ""
    assert house.orphans() == NO_ORPHANS


@pytest.mark.parametrize("stage", ["chunk", "embed", "publish"])
def test_a_document_deleted_between_steps_is_never_searchable(house: House, stage: str) -> None:
    accepted = house.upload("a.txt", b"secret words")
    stages, attempt = house.stages(), attempt_of(accepted)
    for name in ("parse", "chunk", "embed", "publish"):
        if name == stage:
            house.documents.delete(accepted.document_id, EVERYTHING)
            with pytest.raises(NoLongerWantedError):
                getattr(stages, name)(attempt)
            break
        getattr(stages, name)(attempt)
    assert house.searchable_text() == ""
    assert house.orphans() == NO_ORPHANS


def test_a_document_deleted_inside_a_step_is_never_searchable(house: House) -> None:
    accepted = house.upload("a.txt", b"secret words. " * 500)
    house.embedder.before = lambda: _delete(house, accepted)
    with pytest.raises(NoLongerWantedError):
        house.ingest(accepted)
    house.stages().clean(attempt_of(accepted))
    assert house.searchable_text() == ""
    assert house.orphans() == NO_ORPHANS


def _delete(house: House, accepted: Accepted) -> None:
    with suppress(DocumentNotFoundError):
        house.documents.delete(accepted.document_id, EVERYTHING)


def test_two_uploads_of_the_same_bytes_at_once_are_one_version(house: House) -> None:
    results: list[Accepted] = []
    start = threading.Barrier(4)

    def upload() -> None:
        start.wait()
        results.append(house.upload("a.txt", b"the same words"))

    threads = [threading.Thread(target=upload) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({accepted.version_id for accepted in results}) == 1
    assert sorted(accepted.deduplicated for accepted in results) == [False, True, True, True]
    house.ingest(results[0])
    assert house.orphans() == NO_ORPHANS


def test_deletion_and_upload_of_the_same_bytes_at_once_never_lose_them(house: House) -> None:
    for round_ in range(10):
        first = house.upload(f"{round_}.txt", b"the same words")
        second: list[Accepted] = []
        threads = [
            threading.Thread(
                target=lambda first=first: house.documents.delete(first.document_id, EVERYTHING)
            ),
            threading.Thread(
                target=lambda name=f"other {round_}.txt", into=second: into.append(
                    house.upload(name, b"the same words")
                )
            ),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert house.documents.content(second[0].document_id, EVERYTHING, number=None).whole()
        house.documents.delete(second[0].document_id, EVERYTHING)
        assert house.orphans() == NO_ORPHANS


def test_an_upload_into_a_deleted_collection_leaves_nothing(house: House) -> None:
    with pytest.raises(CollectionNotFoundError):
        house.upload("a.txt", b"words", collection_id=CollectionId("col_gone"))
    assert house.orphans() == NO_ORPHANS


def test_documents_are_listed_newest_first_and_filtered(house: House) -> None:
    other = house.collections.create("other")
    one = house.add("uno.txt", b"1a")
    two = house.upload("DOS_%.txt", b"2a")
    three = house.upload("tres.txt", b"3a", collection_id=other.id)
    ids = [document.id for document in house.documents.list(EVERYTHING)]
    assert set(ids) == {one.document_id, two.document_id, three.document_id}
    assert ids == sorted(ids, reverse=True)
    page = house.documents.list(EVERYTHING, limit=2)
    rest = house.documents.list(EVERYTHING, limit=2, cursor=page[-1].id)
    assert [document.id for document in page + rest] == ids

    def names(where: DocumentFilter, access: Access = EVERYTHING) -> list[str]:
        return [document.name for document in house.documents.list(access, where=where)]

    assert names(DocumentFilter(collection="other")) == ["tres.txt"]
    assert names(DocumentFilter(state="searchable")) == ["uno.txt"]
    assert names(DocumentFilter(name_contains="dos_%")) == ["DOS_%.txt"]
    assert names(DocumentFilter(name_contains="_")) == ["DOS_%.txt"]
    assert names(DocumentFilter(), Access(frozenset({other.id}))) == ["tres.txt"]


def test_without_access_a_document_is_not_there(house: House) -> None:
    accepted = house.add("a.txt", b"words")
    nobody = Access(frozenset())
    calls = (
        lambda: house.documents.get(accepted.document_id, nobody),
        lambda: house.documents.delete(accepted.document_id, nobody),
        lambda: house.documents.versions(accepted.document_id, nobody),
        lambda: house.documents.text(accepted.document_id, nobody, number=None),
        lambda: house.documents.content(accepted.document_id, nobody, number=None),
        lambda: house.documents.get(DocumentId("doc_none"), EVERYTHING),
        lambda: house.documents.text(accepted.document_id, EVERYTHING, number=9),
    )
    for call in calls:
        with pytest.raises(DocumentNotFoundError):
            call()
    assert house.searchable_text() == "words"


def test_a_queued_document_has_no_text_yet(house: House) -> None:
    accepted = house.upload("a.txt", b"words")
    with pytest.raises(DocumentNotFoundError, match="queued"):
        house.documents.text(accepted.document_id, EVERYTHING, number=None)
