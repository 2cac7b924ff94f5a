"""What a crash leaves beside the truth is found by verification, and mended."""

import os
from collections.abc import Iterator

import pytest

from core.ids import VersionId
from core.verify import Checked
from ingestion.attempts import Attempt
from ingestion.leftovers import check_incoming, check_staging, check_workflows
from ingestion.staging import Staging
from ingestion.workflow import IngestionQueue
from tests.unit.ingestion.house import EVERYTHING, House, attempt_of

LONG_AGO = (1_000_000_000, 1_000_000_000)


@pytest.fixture
def queue(house: House) -> Iterator[IngestionQueue]:
    """The durable queue of the folder."""
    queue = IngestionQueue(house.jobs_url)
    yield queue
    queue.close()


def kinds(checked: Checked) -> list[str]:
    """The kinds that were found."""
    return [finding.kind for finding in checked.findings]


def test_staged_work_of_no_open_job_is_an_orphan(house: House) -> None:
    accepted = house.upload("a.txt", b"words")
    staged = house.store.staging.of(accepted.version_id)
    staged.create()
    assert check_staging(house.store, alone=True, repair=False) == Checked("staged", 1)
    house.jobs.cancel(accepted.job_id, EVERYTHING)
    staged.create()

    # it may be about to be removed by whoever works
    assert kinds(check_staging(house.store, alone=False, repair=False)) == []
    assert kinds(check_staging(house.store, alone=True, repair=False)) == ["orphan_staging"]
    os.utime(staged.folder, LONG_AGO)
    assert kinds(check_staging(house.store, alone=False, repair=True)) == ["orphan_staging"]
    assert check_staging(house.store, alone=True, repair=False) == Checked("staged", 0)


def test_work_that_ends_while_it_is_looked_at_is_no_orphan(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    # its folder was listed, and is gone when its age is asked for
    monkeypatch.setattr(Staging, "list", lambda _staging: {VersionId("ver_just_ended")})
    assert check_staging(house.store, alone=False, repair=False) == Checked("staged", 1)


def test_received_bytes_of_no_upload_are_an_orphan(house: House) -> None:
    blobs = house.store.blobs
    with blobs.begin() as blob:
        blob.write(b"half a file")
        assert kinds(check_incoming(blobs, alone=False, repair=True)) == []
        assert kinds(check_incoming(blobs, alone=True, repair=False)) == ["orphan_incoming"]
        os.utime(blob.path, LONG_AGO)
        found = check_incoming(blobs, alone=False, repair=True)
        assert [finding.mended for finding in found.findings] == [True]
    assert check_incoming(blobs, alone=True, repair=False) == Checked("incoming", 0)


def test_a_workflow_that_no_open_job_waits_for_is_an_orphan(
    house: House, queue: IngestionQueue
) -> None:
    wanted, gone = house.upload("a.txt", b"words"), house.upload("b.txt", b"other words")
    for accepted in (wanted, gone):
        queue.enqueue(attempt_of(accepted))
    queue.enqueue(Attempt(wanted.version_id, 2))
    house.documents.delete(gone.document_id, EVERYTHING)

    def check(*, alone: bool, repair: bool, older_than_s: float = 0.0) -> Checked:
        return check_workflows(
            house.attempts, queue, alone=alone, repair=repair, older_than_s=older_than_s
        )

    # whoever works may be about to take it, or to forget it
    assert kinds(check(alone=False, repair=True)) == []
    assert kinds(check(alone=True, repair=True, older_than_s=600)) == []
    found = check(alone=True, repair=True)
    assert {finding.subject for finding in found.findings} == {
        gone.version_id,
        f"{wanted.version_id}.2",
    }
    assert kinds(check(alone=True, repair=False)) == []
    assert queue.statuses([attempt_of(wanted)]) == {attempt_of(wanted): "ENQUEUED"}
