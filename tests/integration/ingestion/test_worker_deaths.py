"""Workers die at any moment, are told to stop, or are given up: every document is searchable once,
and nothing is left.
"""

import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest
from sqlalchemy import delete, select

from core.tables import ChunkRow, JobRow, WorkerRow
from ingestion.errors import PoisonDocumentError
from ingestion.uploads import Accepted
from ingestion.workflow import IngestionQueue
from tests.integration.ingestion.running import ROOT, all_ended, states, worker_process
from tests.integration.waiting import until
from tests.unit.ingestion.house import EVERYTHING, NO_ORPHANS, House, attempt_of

SENTENCES = "The river {0} rises in the hills and ends in the sea after {0} bends. "


def _upload_some(house: House, count: int, *, num_sentences: int = 60) -> list[Accepted]:
    accepted = []
    for number in range(count):
        text = "".join(SENTENCES.format(n * count + number) for n in range(num_sentences))
        accepted.append(house.upload(f"{number}.md", f"# River {number}\n{text}".encode()))
    return accepted


def test_a_worker_killed_again_and_again_finishes_everything_once(
    house: House, queue: IngestionQueue
) -> None:
    accepted = _upload_some(house, 6)
    for each in accepted:
        queue.enqueue(attempt_of(each))
    rng = random.Random(7)  # noqa: S311
    for _ in range(7):
        with worker_process(house):
            until(lambda: all_ended(house) or _is_running(house))
            time.sleep(rng.uniform(0.0, 0.9))
            house.searchable_chunks()
        if all_ended(house):
            break
    with worker_process(house, batch_s=0.0) as process:
        until(lambda: all_ended(house))
        until(lambda: not house.store.staging.list())
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert states(house) == {"searchable": 6}
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
    with worker_process(house):
        until(lambda: _is_running(house))
        house.documents.delete(gone.document_id, EVERYTHING)
    assert "secret" not in house.searchable_text()
    with worker_process(house):
        until(lambda: all_ended(house))
        until(lambda: not house.store.staging.list())
    assert house.searchable_text() == "# A\nnew words"
    assert [v.number for v in house.documents.versions(first.document_id, EVERYTHING)] == [2]
    with house.worker():
        pass
    assert house.orphans() == NO_ORPHANS


@pytest.mark.parametrize("batch_s", [0.3, 600], ids=["between", "within"])
def test_a_worker_told_to_stop_stops_between_batches_or_within_one_and_goes_on_later(
    house: House, queue: IngestionQueue, batch_s: float
) -> None:
    (accepted,) = _upload_some(house, 1, num_sentences=6000)  # half a minute of short batches
    queue.enqueue(attempt_of(accepted))
    with worker_process(house, batch_s=batch_s) as process:
        until(lambda: house.jobs.get(accepted.job_id, EVERYTHING).stage == "embedding")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert house.jobs.get(accepted.job_id, EVERYTHING).state == "running"
    with house.worker():
        until(lambda: all_ended(house))
    assert states(house) == {"searchable": 1}
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
    until(lambda: not house.workers().find_living())


def test_a_living_worker_finishes_what_a_dead_one_began(
    house: House, queue: IngestionQueue
) -> None:
    accepted = _upload_some(house, 4)
    for each in accepted:
        queue.enqueue(attempt_of(each))
    with worker_process(house, batch_s=600) as doomed:
        # it takes as many as it works on at once; the other one finishes the rest
        until(lambda: len(_held_by(house, doomed.pid)) == 2)
        with worker_process(house):
            until(lambda: states(house)["searchable"] == 2)
            doomed.kill()
            until(lambda: all_ended(house))
            until(lambda: not house.store.staging.list())
    assert states(house) == {"searchable": 4}
    _assert_whole(house, accepted)
    assert house.orphans() == NO_ORPHANS


def test_two_workers_on_one_document_publish_it_once(house: House, queue: IngestionQueue) -> None:
    (accepted,) = _upload_some(house, 1)
    queue.enqueue(attempt_of(accepted))
    with worker_process(house, batch_s=600, timeout_s=3.0, manner="mute") as mute:
        until(lambda: bool(_held_by(house, mute.pid)))
        # the mute one works all the time, and its work is taken over all the same
        with worker_process(house, timeout_s=3.0):
            until(lambda: all_ended(house))
            assert mute.poll() is None
    assert states(house) == {"searchable": 1}
    _assert_whole(house, [accepted])


def test_a_worker_that_was_frozen_with_a_lease_wakes_to_find_it_gone(
    house: House, queue: IngestionQueue
) -> None:
    (accepted,) = _upload_some(house, 1, num_sentences=200)
    queue.enqueue(attempt_of(accepted))
    with worker_process(house, batch_s=0.2, timeout_s=1.0) as frozen:
        until(lambda: house.jobs.get(accepted.job_id, EVERYTHING).stage == "embedding")
        _freeze(house, frozen)
        with worker_process(house, batch_s=0.0, timeout_s=1.0):
            until(lambda: all_ended(house))
            frozen.send_signal(signal.SIGCONT)
            # it is refused at its next write, says so, and is started anew by whoever keeps it
            assert frozen.wait(60) == 1
    assert states(house) == {"searchable": 1}
    assert _lease_of(house, accepted) == 2
    _assert_whole(house, [accepted])


def _freeze(house: House, process: "subprocess.Popen[bytes]") -> None:
    """Stop a process that holds no lock of SQLite: with one, everybody would wait for it."""
    until(lambda: _is_frozen_outside_a_transaction(house, process))


def _is_frozen_outside_a_transaction(house: House, process: "subprocess.Popen[bytes]") -> bool:
    process.send_signal(signal.SIGSTOP)
    try:
        for name in ("cimiento.db", "jobs.db"):
            with closing(sqlite3.connect(house.data_dir / name, timeout=0.1)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.rollback()
    except sqlite3.OperationalError:
        process.send_signal(signal.SIGCONT)
        return False
    return True


def _lease_of(house: House, accepted: Accepted) -> int:
    with house.database.read_scope() as session:
        return session.scalars(select(JobRow.lease).where(JobRow.id == accepted.job_id)).one()


def test_a_worker_that_was_given_up_ends_to_be_started_anew(house: House) -> None:
    with worker_process(house, timeout_s=1.0) as process:
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
        with worker_process(house, batch_s=30):
            expected = f'["embedding from chunk 0", {count}]'
            until(lambda: tries.exists() and tries.read_text() == expected)  # noqa: B023
    good = house.upload("good.txt", b"good words")
    queue.enqueue(attempt_of(good))
    with house.worker():
        until(lambda: all_ended(house))
    job = house.jobs.get(accepted.job_id, EVERYTHING)
    assert job.error is not None
    assert (job.state, job.error.code) == ("failed", PoisonDocumentError.code)
    assert house.jobs.get(good.job_id, EVERYTHING).state == "searchable"
