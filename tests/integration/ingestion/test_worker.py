"""A worker can be killed at any moment: every document is searchable once, and nothing is left."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from core.tables import ChunkRow, JobRow, WorkerRow
from ingestion.errors import PoisonDocumentError
from ingestion.jobs import Attempt, JobError
from ingestion.parsing.sandbox import Sandbox
from ingestion.uploads import Accepted
from ingestion.workflow import IngestionQueue, IngestionWorker
from tests.integration.ingestion.waiting import until
from tests.unit.ingestion import files
from tests.unit.ingestion.house import EVERYTHING, LIMITS, NO_ORPHANS, House, attempt_of

SENTENCES = "The river {0} rises in the hills and ends in the sea after {0} bends. "
HOSTILE = "tests.integration.ingestion.hostile_parser"
ROOT = Path(__file__).parents[3]


@contextlib.contextmanager
def _worker_process(
    house: House, *, batch_s: float = 0.05, timeout_s: float = 60.0, voice: str = "clear"
) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.integration.ingestion.worker_process"]
    process = subprocess.Popen(
        [*command, str(house.data_dir), str(batch_s), str(os.getpid()), str(timeout_s), voice],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _worker(house: House, sandbox: Sandbox | None = None) -> Iterator[IngestionWorker]:
    with house.worker(sandbox) as worker:
        yield worker


@pytest.fixture
def queue(house: House) -> Iterator[IngestionQueue]:
    """The side of the API."""
    queue = IngestionQueue(house.jobs_url)
    yield queue
    queue.close()


def _states(house: House) -> Counter[str]:
    return Counter(job.state for job in house.jobs.list(EVERYTHING))


def _all_ended(house: House) -> bool:
    return not house.jobs.list_open()


def _upload_some(house: House, count: int) -> list[Accepted]:
    accepted = []
    for number in range(count):
        text = "".join(SENTENCES.format(n * count + number) for n in range(60))
        accepted.append(house.upload(f"{number}.md", f"# River {number}\n{text}".encode()))
    return accepted


def test_an_upload_becomes_searchable(house: House, queue: IngestionQueue) -> None:
    accepted = house.upload("a.pdf", files.build_pdf([["The river rises"], ["and ends here"]]))
    queue.enqueue(attempt_of(accepted))
    queue.enqueue(attempt_of(accepted))
    with _worker(house):
        until(lambda: _all_ended(house))
    job = house.jobs.get(accepted.job_id, EVERYTHING)
    assert (job.state, job.error, job.done, job.total) == ("searchable", None, 2, 2)
    assert house.searchable_text() == "The river rises\nand ends here"
    assert house.orphans() == NO_ORPHANS


def test_bad_files_fail_with_a_reason_and_hold_nothing_up(
    house: House, queue: IngestionQueue
) -> None:
    bad = {
        "unreadable_document": b"%PDF-1.7 broken",
        "password_required": files.build_pdf([["x"]], password="secret"),
        "no_text_found": b"  \n\n ",
    }
    jobs = {code: house.upload(f"{code}.pdf", data) for code, data in bad.items()}
    good = house.upload("good.txt", b"good words")
    for accepted in (*jobs.values(), good):
        queue.enqueue(attempt_of(accepted))
    with _worker(house):
        until(lambda: _all_ended(house))
    for code, accepted in jobs.items():
        job = house.jobs.get(accepted.job_id, EVERYTHING)
        assert job.state == "failed"
        assert job.error is not None
        assert (job.error.code, job.error.retryable) == (code, False)
    assert house.searchable_text() == "good words"
    assert house.orphans() == NO_ORPHANS


@pytest.mark.parametrize("order", ["crash", "eat"])
def test_a_file_that_breaks_its_parser_fails_alone(
    house: House, queue: IngestionQueue, order: str
) -> None:
    hostile, good = house.upload("bad.txt", order.encode()), house.upload("good.txt", b"look")
    for accepted in (hostile, good):
        queue.enqueue(attempt_of(accepted))
    small = replace(LIMITS, memory_bytes=512 << 20)
    with _worker(house, Sandbox(small, child_module=HOSTILE)):
        until(lambda: _all_ended(house))
    assert _states(house) == {"failed": 1, "searchable": 1}
    assert house.jobs.get(good.job_id, EVERYTHING).state == "searchable"


def test_an_upload_that_was_never_enqueued_is_found(house: House) -> None:
    house.upload("a.txt", b"words")
    with _worker(house):
        until(lambda: _all_ended(house))
    assert house.searchable_text() == "words"


def test_a_failed_job_is_retried_as_a_new_attempt(house: House, queue: IngestionQueue) -> None:
    accepted = house.upload("a.txt", b"words")
    queue.enqueue(attempt_of(accepted))
    house.embedder.before = _raise
    with _worker(house):
        until(lambda: _all_ended(house))
        job = house.jobs.get(accepted.job_id, EVERYTHING)
        assert job.error is not None
        assert (job.error.code, job.error.retryable) == ("internal_error", True)
        house.embedder.before = lambda: None
        again = house.jobs.retry(accepted.job_id, EVERYTHING)
        queue.enqueue(Attempt(again.id, again.attempt))
        until(lambda: _all_ended(house))
    job = house.jobs.get(accepted.job_id, EVERYTHING)
    assert (job.state, job.attempt, job.error) == ("searchable", 2, None)
    assert house.searchable_text() == "words"
    assert house.orphans() == NO_ORPHANS


def _raise() -> None:
    raise RuntimeError("the model fell over")


def test_a_wrong_password_is_an_end_that_a_right_one_mends(
    house: House, queue: IngestionQueue
) -> None:
    encrypted = files.build_pdf([["The river rises"]], password="secret")
    accepted = house.upload("a.pdf", encrypted, password="guess")
    queue.enqueue(attempt_of(accepted))
    with _worker(house):
        until(lambda: _all_ended(house))
        job = house.jobs.get(accepted.job_id, EVERYTHING)
        assert job.error is not None
        assert job.error.code == "password_wrong"
        again = house.jobs.retry(accepted.job_id, EVERYTHING, password="secret")
        queue.enqueue(Attempt(again.id, again.attempt))
        until(lambda: _all_ended(house))
    assert house.searchable_text() == "The river rises"
    assert house.orphans() == NO_ORPHANS


def test_a_transient_error_is_tried_again_by_itself(house: House, queue: IngestionQueue) -> None:
    accepted = house.upload("a.txt", b"words")
    queue.enqueue(attempt_of(accepted))
    calls = iter(range(10))

    def fail_twice() -> None:
        if next(calls) < 2:
            raise ConnectionResetError("for a moment")

    house.embedder.before = fail_twice
    with _worker(house):
        until(lambda: _all_ended(house))
    job = house.jobs.get(accepted.job_id, EVERYTHING)
    assert (job.state, job.attempt) == ("searchable", 3)


def test_a_document_deleted_while_it_is_parsed_stops_its_parser(
    house: House, queue: IngestionQueue
) -> None:
    accepted, good = house.upload("bad.txt", b"sleep"), house.upload("good.txt", b"look")
    for each in (accepted, good):
        queue.enqueue(attempt_of(each))
    with _worker(house, Sandbox(LIMITS, child_module=HOSTILE)):
        until(lambda: house.jobs.get(accepted.job_id, EVERYTHING).done == 1)
        house.documents.delete(accepted.document_id, EVERYTHING)
        until(lambda: _all_ended(house), within_s=10)
    assert [job.id for job in house.jobs.list(EVERYTHING)] == [good.job_id]
    assert house.orphans() == NO_ORPHANS


def test_a_cancelled_job_stops_within_moments(house: House, queue: IngestionQueue) -> None:
    accepted, good = house.upload("bad.txt", b"sleep"), house.upload("good.txt", b"look")
    for each in (accepted, good):
        queue.enqueue(attempt_of(each))
    with _worker(house, Sandbox(LIMITS, child_module=HOSTILE)):
        until(lambda: house.jobs.get(accepted.job_id, EVERYTHING).state == "running")
        house.jobs.cancel(accepted.job_id, EVERYTHING)
        until(lambda: _all_ended(house), within_s=10)
    assert _states(house) == {"cancelled": 1, "searchable": 1}
    assert house.orphans() == NO_ORPHANS


def test_a_worker_killed_again_and_again_finishes_everything_once(
    house: House, queue: IngestionQueue
) -> None:
    accepted = _upload_some(house, 6)
    for each in accepted:
        queue.enqueue(attempt_of(each))
    rng = random.Random(7)  # noqa: S311
    for _ in range(7):
        with _worker_process(house):
            until(lambda: _all_ended(house) or _is_running(house))
            time.sleep(rng.uniform(0.0, 0.9))
            house.searchable_chunks()
        if _all_ended(house):
            break
    with _worker_process(house, batch_s=0.0) as process:
        until(lambda: _all_ended(house))
        until(lambda: not house.store.staging.list())
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    assert _states(house) == {"searchable": 6}
    _assert_whole(house, accepted)
    # what the last kill left is swept by the start after it
    assert house.orphans() == NO_ORPHANS


def _is_running(house: House) -> bool:
    return any(job.state == "running" for job in house.jobs.list(EVERYTHING))


def _assert_whole(house: House, accepted: list[Accepted]) -> None:
    searchable = {chunk_id for chunk_id, _ in house.searchable_chunks()}
    with house.database.read_scope() as session:
        rows = session.execute(select(ChunkRow.id, ChunkRow.version_id, ChunkRow.ordinal)).all()
    assert {row.id for row in rows} == searchable
    for each in accepted:
        ordinals = sorted(row.ordinal for row in rows if row.version_id == each.version_id)
        version = house.documents.get(each.document_id, EVERYTHING).version
        assert ordinals == list(range(version.num_chunks or 0))
        assert len(ordinals) > 3


def test_replacements_and_deletions_survive_kills_as_well(
    house: House, queue: IngestionQueue
) -> None:
    first = house.add("a.md", b"# A\nold words")
    gone = house.upload("b.md", b"# B\nsecret words " * 300)
    new = house.upload("a.md", b"# A\nnew words")
    for each in (gone, new):
        queue.enqueue(attempt_of(each))
    with _worker_process(house):
        until(lambda: _is_running(house))
        house.documents.delete(gone.document_id, EVERYTHING)
    assert "secret" not in house.searchable_text()
    with _worker_process(house):
        until(lambda: _all_ended(house))
        until(lambda: not house.store.staging.list())
    assert house.searchable_text() == "# A\nnew words"
    assert [v.number for v in house.documents.versions(first.document_id, EVERYTHING)] == [2]
    with _worker(house):
        pass
    assert house.orphans() == NO_ORPHANS


def test_a_worker_told_to_stop_stops_within_seconds_and_goes_on_later(
    house: House, queue: IngestionQueue
) -> None:
    (accepted,) = _upload_some(house, 1)
    queue.enqueue(attempt_of(accepted))
    with _worker_process(house, batch_s=0.3) as process:
        until(lambda: house.jobs.get(accepted.job_id, EVERYTHING).stage == "embedding")
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
        assert time.monotonic() - asked < 8
    assert house.jobs.get(accepted.job_id, EVERYTHING).state == "running"
    with _worker(house):
        until(lambda: _all_ended(house))
    assert _states(house) == {"searchable": 1}
    assert house.orphans() == NO_ORPHANS


def test_a_worker_does_not_outlive_its_parent(house: House) -> None:
    script = (
        "import os, subprocess, sys, time; from pathlib import Path\n"
        "command = [sys.executable, '-m', 'tests.integration.ingestion.worker_process']\n"
        "p = subprocess.Popen([*command, sys.argv[1], '0', str(os.getpid()), '60', 'clear'])\n"
        "Path(sys.argv[1], 'pid').write_text(str(p.pid)); time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(house.data_dir)], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    try:
        until(lambda: bool(house.workers().find_living()))
    finally:
        parent.kill()
        parent.wait()
    until(lambda: not house.workers().find_living(), within_s=15)


def test_a_living_worker_finishes_what_a_dead_one_began(
    house: House, queue: IngestionQueue
) -> None:
    accepted = _upload_some(house, 4)
    for each in accepted:
        queue.enqueue(attempt_of(each))
    with _worker_process(house, batch_s=30) as doomed, _worker_process(house):
        until(lambda: len(house.workers().find_living()) == 2)
        until(lambda: _states(house)["searchable"] + len(_held_by(house, doomed.pid)) == 4)
        held = _held_by(house, doomed.pid)
        assert held
        doomed.kill()
        until(lambda: _all_ended(house))
        until(lambda: not house.store.staging.list())
    assert _states(house) == {"searchable": 4}
    _assert_whole(house, accepted)
    assert house.orphans() == NO_ORPHANS


def test_two_workers_on_one_document_publish_it_once(house: House, queue: IngestionQueue) -> None:
    (accepted,) = _upload_some(house, 1)
    queue.enqueue(attempt_of(accepted))
    with _worker_process(house, batch_s=0.4, timeout_s=1.0, voice="mute") as mute:
        until(lambda: bool(_held_by(house, mute.pid)))
        # the mute one works all the time, and its work is taken over all the same
        with _worker_process(house, timeout_s=1.0) as other:
            until(lambda: bool(_held_by(house, other.pid)) or _all_ended(house))
            until(lambda: _all_ended(house))
            assert mute.poll() is None
    assert _states(house) == {"searchable": 1}
    _assert_whole(house, [accepted])


def test_a_worker_that_was_given_up_ends_to_be_started_anew(house: House) -> None:
    with _worker_process(house, timeout_s=1.0) as process:
        until(lambda: bool(house.workers().find_living()))
        with house.database.session_scope() as session:
            session.execute(delete(WorkerRow))
        assert process.wait(30) == 1


def _held_by(house: House, pid: int) -> list[str]:
    holders = select(WorkerRow.id).where(WorkerRow.pid == pid)
    query = select(JobRow.id).where(JobRow.worker_id.in_(holders), JobRow.state == "running")
    with house.database.read_scope() as session:
        return list(session.scalars(query))


def test_a_document_that_kills_its_worker_is_given_up_after_three(
    house: House, queue: IngestionQueue
) -> None:
    accepted = house.upload("bad.txt", b"words " * 400)
    queue.enqueue(attempt_of(accepted))
    staging = house.store.staging
    for count in (1, 2, 3):
        # each worker that takes the work over does so under the next lease
        tries = staging.of(accepted.version_id, lease=count).folder / "tries.json"
        with _worker_process(house, batch_s=30):
            expected = f'["embedding from chunk 0", {count}]'
            until(lambda: tries.exists() and tries.read_text() == expected)  # noqa: B023
    good = house.upload("good.txt", b"good words")
    queue.enqueue(attempt_of(good))
    with _worker(house):
        until(lambda: _all_ended(house))
    job = house.jobs.get(accepted.job_id, EVERYTHING)
    assert job.error is not None
    assert (job.state, job.error.code) == ("failed", PoisonDocumentError.code)
    assert house.jobs.get(good.job_id, EVERYTHING).state == "searchable"


def test_a_job_whose_workflow_was_lost_is_begun_anew(house: House, queue: IngestionQueue) -> None:
    accepted = house.upload("a.txt", b"words")
    attempt = attempt_of(accepted)
    house.jobs.fail(attempt, JobError("x", "x", retryable=True))
    queue.enqueue(attempt)
    with _worker(house):
        until(lambda: queue.statuses([attempt]) == {attempt: "SUCCESS"})
        # by the same worker: one that stops forgets what has ended
        with house.database.session_scope() as session:
            session.connection().exec_driver_sql("UPDATE jobs SET state = 'running'")
        until(lambda: _all_ended(house))
    job = house.jobs.get(accepted.job_id, EVERYTHING)
    assert (job.state, job.attempt) == ("searchable", 2)
