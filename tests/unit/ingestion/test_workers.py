"""A worker that lives is never taken for dead, whatever the clocks do; a dead one soon is."""

import os
from collections.abc import Callable

import pytest
from sqlalchemy import update

from core.ids import WorkerId
from core.tables import WorkerRow, now
from ingestion.attempts import NoLongerWantedError
from ingestion.errors import WorkerGivenUpError
from ingestion.pipeline import WorkerStoppingError, run_attempt
from ingestion.workers import Workers
from tests.unit.ingestion.house import EVERYTHING, House, attempt_of

TIMEOUT_S = 10.0


class Watch:
    """A monotonic clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.moment = 0.0

    def __call__(self) -> float:
        """The moment."""
        return self.moment


def observer(house: House, clock: Callable[[], float]) -> Workers:
    return Workers(house.database, house.data_dir / "workers", timeout_s=TIMEOUT_S, clock=clock)


def move_to_another_machine(house: House, worker_id: WorkerId) -> None:
    with house.database.session_scope() as session:
        session.execute(
            update(WorkerRow).where(WorkerRow.id == worker_id).values(machine="elsewhere")
        )


def end_process(workers: Workers, worker_id: WorkerId) -> None:
    """What the kernel does when a process dies: its files are closed, its row stays."""
    os.close(workers._held.pop(worker_id))


def test_a_worker_is_there_from_joining_to_leaving(house: House) -> None:
    workers, watch = house.workers(), Watch()
    seen = observer(house, watch)
    worker_id = workers.join()
    assert seen.find_living() == {worker_id}
    workers.leave(worker_id)
    assert seen.find_living() == set()


def test_the_kernel_tells_at_once_that_a_process_of_this_machine_died(house: House) -> None:
    workers = house.workers()
    dead, living = workers.join(), workers.join()
    end_process(workers, dead)
    assert observer(house, Watch()).find_living() == {living}


def test_a_worker_elsewhere_is_dead_after_a_silence_on_the_observers_watch(house: House) -> None:
    workers, watch = house.workers(), Watch()
    worker_id = workers.join()
    end_process(workers, worker_id)
    move_to_another_machine(house, worker_id)
    seen = observer(house, watch)
    watch.moment = 1000.0
    assert seen.find_living() == {worker_id}
    watch.moment += TIMEOUT_S
    assert seen.find_living() == {worker_id}
    workers.renew(worker_id)
    watch.moment += TIMEOUT_S
    assert seen.find_living() == {worker_id}
    watch.moment += TIMEOUT_S + 1
    assert seen.find_living() == set()
    with pytest.raises(WorkerGivenUpError):
        workers.renew(worker_id)


def test_wrong_clocks_kill_nobody(house: House) -> None:
    workers, watch = house.workers(), Watch()
    worker_id = workers.join()
    move_to_another_machine(house, worker_id)
    seen = observer(house, watch)
    for year in (1970, 2990):
        workers.renew(worker_id)
        with house.database.session_scope() as session:
            session.execute(update(WorkerRow).values(beat_at=now().replace(year=year)))
        watch.moment += TIMEOUT_S
        assert seen.find_living() == {worker_id}


def test_who_was_given_up_may_not_take_work(house: House) -> None:
    workers = house.workers()
    worker_id = workers.join()
    end_process(workers, worker_id)
    house.workers().find_living()
    attempt = attempt_of(house.upload("a.txt", b"words"))
    with pytest.raises(WorkerStoppingError):
        run_attempt(attempt, house.stages(), worker_id)
    assert house.jobs.get(attempt.version_id, EVERYTHING).state == "queued"


def test_who_lost_its_lease_can_change_nothing(house: House) -> None:
    workers, stages = house.workers(), house.stages()
    accepted = house.upload("a.txt", b"words")
    first = stages.take(attempt_of(accepted), workers.join())
    for step in (stages.parse, stages.chunk):
        step(first)
    second = stages.take(attempt_of(accepted), workers.join())
    for step in (stages.parse, stages.embed, stages.publish):
        with pytest.raises(NoLongerWantedError):
            step(first)
    stages.fail(first, RuntimeError("of the first one"))
    # what the first one had done is the second one's now
    assert house.store.staging.of(accepted.version_id, second.lease).find_chunks() is not None
    for step in (stages.embed, stages.publish):
        step(second)
    assert house.jobs.get(accepted.job_id, EVERYTHING).state == "searchable"
    assert house.searchable_text() == "words"


def test_who_has_a_folder_of_its_own_is_another_machine(house: House) -> None:
    watch = Watch()
    seen = observer(house, watch)
    elsewhere = Workers(house.database, house.data_dir / "elsewhere", timeout_s=TIMEOUT_S)
    worker_id = elsewhere.join()
    # its lock cannot be seen from here, and that is no death
    assert seen.find_living() == {worker_id}
    assert not seen.are_all_here()
    assert elsewhere.are_all_here()
    watch.moment += TIMEOUT_S + 1
    assert seen.find_living() == set()
