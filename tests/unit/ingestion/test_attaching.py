"""What is attached to a mail is a document of its own, and lives and dies with the mail."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from core.blobs import FolderBlobStore
from ingestion.documents import Document
from ingestion.jobs import Job
from ingestion.pipeline import Stages, run_attempt
from ingestion.uploads import Accepted, OnConflict
from tests.unit.ingestion import office_files
from tests.unit.ingestion.house import (
    EVERYTHING,
    LIMITS,
    NO_ORPHANS,
    DirectSandbox,
    House,
    attempt_of,
)

REPORT = ("report.txt", b"The river rises in the northern hills.")
PLAN = ("plan.md", b"# Plan\n\nThe bridge opens in the second spring.")


def _mail(*attachments: tuple[str, bytes], text: str = "Please see the files.") -> bytes:
    return office_files.build_mail(text, attachments)


def _add(house: House, data: bytes, *, on_conflict: OnConflict = OnConflict.REPLACE) -> Accepted:
    accepted = house.add("mail.eml", data, on_conflict=on_conflict)
    _work_off(house)
    return accepted


def _work_off(house: House) -> None:
    # what the worker's reconciliation does: every open job is taken up
    worker_id = house.workers().join()
    while attempts := house.attempts.list_open():
        for attempt in attempts:
            run_attempt(attempt, house.stages(), worker_id)


def _documents(house: House) -> dict[str, Document]:
    return {document.name: document for document in house.documents.list(EVERYTHING)}


def _states(house: House) -> dict[str, str]:
    return {name: document.newest.state for name, document in _documents(house).items()}


def _job(house: House, name: str) -> Job:
    return house.jobs.get(_documents(house)[name].newest.id, EVERYTHING)


def test_attachments_become_searchable_documents_of_their_own(house: House) -> None:
    _add(house, _mail(REPORT, PLAN))
    assert _states(house) == {
        "mail.eml": "searchable",
        "mail.eml/report.txt": "searchable",
        "mail.eml/plan.md": "searchable",
    }
    assert "river rises" in house.searchable_text()
    assert "bridge opens" in house.searchable_text()
    documents = _documents(house)
    assert documents["mail.eml/plan.md"].parent_id == documents["mail.eml"].id
    assert documents["mail.eml"].parent_id is None
    assert house.orphans() == NO_ORPHANS


def test_until_the_mail_is_published_nothing_of_it_is_there(house: House) -> None:
    accepted = house.upload("mail.eml", _mail(REPORT))
    stages = house.stages()
    attempt = attempt_of(accepted)
    for step in (stages.parse, stages.chunk, stages.embed):
        step(attempt)
        assert list(_documents(house)) == ["mail.eml"]
    stages.publish(attempt)
    assert _states(house) == {"mail.eml": "searchable", "mail.eml/report.txt": "queued"}


class _FullStore(FolderBlobStore):
    """A store whose disk is full: bytes arrive, but cannot be kept."""

    def _rename(self, received: Path, sha256: str) -> None:
        """Fail for the second attachment, when the first one is in the store already."""
        if received.read_bytes() == PLAN[1]:
            raise OSError("the disk is full")
        super()._rename(received, sha256)


def test_a_publication_that_fails_leaves_no_attachment_and_comes_again_whole(
    house: House,
) -> None:
    accepted = house.upload("mail.eml", _mail(REPORT, PLAN))
    attempt = attempt_of(accepted)
    store = replace(house.store, blobs=_FullStore(house.data_dir / "blobs"))
    stages = Stages(store, DirectSandbox(LIMITS), house.embedder, house.settings)
    stages.parse(attempt)
    with pytest.raises(OSError, match="full"):
        stages.publish(attempt)
    assert list(_documents(house)) == ["mail.eml"]
    assert house.searchable_text() == ""
    assert house.orphans()["blobs"] == 0
    _work_off(house)
    assert len(_documents(house)) == 3
    assert house.orphans() == NO_ORPHANS


def test_deleting_the_mail_deletes_what_was_attached(house: House) -> None:
    accepted = _add(house, _mail(REPORT, PLAN))
    purged = house.documents.delete(accepted.document_id, EVERYTHING)
    assert (purged.versions, purged.blobs) == (3, 3)
    assert _documents(house) == {}
    assert house.searchable_text() == ""
    assert house.orphans() == NO_ORPHANS


def test_deleting_the_only_version_of_the_mail_deletes_what_was_attached(house: House) -> None:
    accepted = _add(house, _mail(REPORT))
    house.documents.delete_version(accepted.document_id, accepted.number, EVERYTHING)
    assert _documents(house) == {}
    assert house.orphans() == NO_ORPHANS


def test_an_attachment_can_be_deleted_alone(house: House) -> None:
    _add(house, _mail(REPORT, PLAN))
    house.documents.delete(_documents(house)["mail.eml/plan.md"].id, EVERYTHING)
    assert set(_documents(house)) == {"mail.eml", "mail.eml/report.txt"}
    assert house.orphans() == NO_ORPHANS


def test_a_new_version_brings_its_own_attachments(house: House) -> None:
    _add(house, _mail(REPORT, PLAN))
    before = _documents(house)
    new_plan = ("plan.md", b"# Plan\n\nThe bridge stays closed for good.")
    _add(house, _mail(new_plan, ("third.txt", b"A third file came along."), text="Once more."))
    assert set(_states(house).values()) == {"searchable"}
    assert set(_documents(house)) == {"mail.eml", "mail.eml/plan.md", "mail.eml/third.txt"}
    text = house.searchable_text()
    assert "closed for good" in text
    assert "river rises" not in text
    assert "opens in the second spring" not in text
    assert _documents(house)["mail.eml/plan.md"].id == before["mail.eml/plan.md"].id
    assert house.orphans() == NO_ORPHANS


def test_an_attachment_that_stays_the_same_is_not_read_again(house: House) -> None:
    _add(house, _mail(REPORT))
    before = _documents(house)["mail.eml/report.txt"]
    accepted = _add(house, _mail(REPORT, text="Other words."))
    after = _documents(house)["mail.eml/report.txt"]
    assert after.version.id == before.version.id
    house.documents.delete(accepted.document_id, EVERYTHING)
    assert house.orphans() == NO_ORPHANS
    assert _documents(house) == {}


def test_history_keeps_the_attachments_it_had_but_does_not_search_them(house: House) -> None:
    _add(house, _mail(REPORT))
    accepted = _add(house, _mail(PLAN, text="Later."), on_conflict=OnConflict.VERSION)
    assert _states(house) == {
        "mail.eml": "searchable",
        "mail.eml/report.txt": "replaced",
        "mail.eml/plan.md": "searchable",
    }
    assert "river rises" not in house.searchable_text()
    house.documents.delete(accepted.document_id, EVERYTHING)
    assert _documents(house) == {}
    assert house.orphans() == NO_ORPHANS


def test_a_failing_attachment_is_reported_and_does_not_fail_the_mail(house: House) -> None:
    _add(house, _mail(("a.bin", b"\x7fELF\x00\x01"), ("b.pdf", b"%PDF-1.7 broken"), REPORT))
    assert _states(house) == {
        "mail.eml": "searchable",
        "mail.eml/a.bin": "failed",
        "mail.eml/b.pdf": "failed",
        "mail.eml/report.txt": "searchable",
    }
    codes = [_job(house, f"mail.eml/{name}").error for name in ("a.bin", "b.pdf")]
    assert [error.code for error in codes if error] == [
        "unsupported_media_type",
        "unreadable_document",
    ]
    assert house.orphans() == NO_ORPHANS


def test_two_attachments_of_one_name_are_two_documents(house: House) -> None:
    _add(house, _mail(("a.txt", b"one alpha"), ("a.txt", b"two beta"), ("a.txt", b"one alpha")))
    assert set(_documents(house)) == {
        "mail.eml",
        "mail.eml/a.txt",
        "mail.eml/a (2).txt",
        "mail.eml/a (3).txt",
    }


def _nested(depth: int) -> bytes:
    inner: Sequence[tuple[str, bytes]] = [REPORT]
    for _ in range(depth):
        inner = [("m.eml", _mail(*inner))]
    return _mail(*inner)


def test_mails_inside_mails_are_read_down_to_a_limit(house: House) -> None:
    _add(house, _nested(3))
    names = sorted(_documents(house), key=len)
    assert names[-1] == "mail.eml/m.eml/m.eml/m.eml/report.txt"
    assert [_states(house)[name] for name in names] == [*["searchable"] * 4, "failed"]
    error = _job(house, names[-1]).error
    assert error is not None
    assert error.code == "nested_too_deep"
    house.documents.delete(_documents(house)["mail.eml"].id, EVERYTHING)
    assert house.orphans() == NO_ORPHANS


def test_a_long_name_is_cut_and_keeps_its_ending(house: House) -> None:
    _add(house, _mail(("x" * 300 + ".txt", b"words of a long name")))
    name = max(_documents(house), key=len)
    assert len(name) <= 512
    assert name.endswith("x.txt")
