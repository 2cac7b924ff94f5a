"""Documents that are handed to a worker one by one: each becomes searchable once. No Ray."""

import errno
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from app.fleet.ingesting import BulkIngester, forget_waiting
from ingestion.work_lock import WorkLock
from ingestion.workflow import IngestionQueue
from tests.unit.ingestion.house import EVERYTHING, NO_ORPHANS, House, attempt_of


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "data")
    yield house
    house.close()


@contextmanager
def ingester(house: House, *, timeout_s: float = 60.0) -> Iterator[BulkIngester]:
    """A worker that outlives nobody; `die` would end the test, so it must not be called."""
    died = threading.Event()
    made = BulkIngester(
        house.attempts,
        house.stages(),
        house.workers(timeout_s=timeout_s),
        WorkLock(house.data_dir),
        die=died.set,
    )
    try:
        yield made
    finally:
        made.close()
        assert not died.is_set()


def states(house: House) -> list[str]:
    """How the jobs stand."""
    return sorted(job.state for job in house.jobs.list(EVERYTHING))


def test_what_is_handed_over_becomes_searchable(house: House) -> None:
    accepted = house.upload("a.txt", b"the river rises")
    with ingester(house) as worker:
        outcome = worker.ingest(attempt_of(accepted))
    assert outcome.again_in_s is None
    assert house.searchable_text() == "the river rises"
    assert house.orphans() == NO_ORPHANS


def test_handed_over_twice_it_is_committed_once(house: House) -> None:
    accepted = house.upload("a.txt", b"the river rises")
    with ingester(house) as first, ingester(house) as second:
        first.ingest(attempt_of(accepted))
        second.ingest(attempt_of(accepted))
        first.ingest(attempt_of(accepted))
    assert [text for _, text in house.searchable_chunks()] == ["the river rises"]


def test_what_another_living_worker_has_in_hand_is_left_to_it(house: House) -> None:
    accepted = house.upload("a.txt", b"the river rises")
    workers = house.workers()
    other = workers.join()
    house.attempts.take(attempt_of(accepted), other)
    with ingester(house) as worker:
        worker.ingest(attempt_of(accepted))
        assert states(house) == ["running"]
        assert house.searchable_text() == ""
        # its process has ended: whoever comes next goes on
        workers.leave(other)
        worker.ingest(attempt_of(accepted))
    assert house.searchable_text() == "the river rises"


def test_a_document_deleted_meanwhile_is_gone(house: House) -> None:
    accepted = house.upload("a.txt", b"the river rises")

    def delete() -> None:
        house.documents.delete(accepted.document_id, EVERYTHING)

    house.embedder.before = delete
    with ingester(house) as worker:
        outcome = worker.ingest(attempt_of(accepted))
    assert outcome.again_in_s is None
    assert house.searchable_text() == ""
    assert house.orphans() == NO_ORPHANS


def test_what_may_go_away_by_itself_is_tried_again_later(house: House) -> None:
    accepted = house.upload("a.txt", b"the river rises")

    def fail() -> None:
        house.embedder.before = lambda: None
        raise OSError(errno.EMFILE, "too many open files")

    house.embedder.before = fail
    with ingester(house) as worker:
        outcome = worker.ingest(attempt_of(accepted))
        assert outcome.again_in_s is not None
        (again,) = house.attempts.list_open()
        assert again.number == 2
        worker.ingest(again)
    assert house.searchable_text() == "the river rises"


def test_a_worker_that_was_given_up_ends_its_process(house: House) -> None:
    died = threading.Event()
    workers = house.workers(timeout_s=1.0)
    made = BulkIngester(
        house.attempts, house.stages(), workers, WorkLock(house.data_dir), die=died.set
    )
    (worker_id,) = workers.find_living()
    workers._remove({worker_id})
    assert died.wait(60)
    made.close()


def test_what_was_worked_off_here_waits_in_no_queue(house: House) -> None:
    attempts = [attempt_of(house.upload(f"{name}.txt", b"the river")) for name in "ab"]
    with closing(IngestionQueue(house.jobs_url)) as queue:
        for attempt in attempts:
            queue.enqueue(attempt)
        with ingester(house) as worker:
            worker.ingest(attempts[0])
        forget_waiting(queue, attempts[:1])
        assert list(queue.statuses(attempts)) == attempts[1:]
