"""Memory that runs out: one document waits and says why, its worker lives, others go on."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingestion.attempts import Attempt
from ingestion.jobs import Job
from ingestion.uploads import Accepted
from ingestion.workflow import IngestionQueue
from tests.integration.ingestion.running import worker_process
from tests.integration.waiting import until
from tests.unit.ingestion.house import EVERYTHING, NO_ORPHANS, House, attempt_of

_ROOM_BYTES = 300 << 20
_CGROUPS = Path("/sys/fs/cgroup")
_LIMITS = {
    _CGROUPS / "memory": "memory.limit_in_bytes",
    # version 2 of control groups
    _CGROUPS: "memory.max",
}


def _job(house: House, accepted: Accepted) -> Job:
    return house.jobs.get(accepted.job_id, EVERYTHING)


def _assert_waits(job: Job) -> None:
    assert job.error is not None
    assert (job.state, job.error.code, job.error.retryable) == ("queued", "memory_short", True)


def _private_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    (line,) = [each for each in status.splitlines() if each.startswith("VmData:")]
    return int(line.split()[1]) << 10


def test_a_document_that_its_worker_has_no_memory_for_waits_and_others_go_on(
    house: House, queue: IngestionQueue
) -> None:
    huge = house.upload("huge.txt", b"Of hunger, and of what is eaten. " * 20)
    others = [house.upload(f"{number}.txt", b"Of rivers.") for number in range(3)]
    with worker_process(house) as worker:
        until(lambda: bool(house.workers().find_living()))
        # less than it needs for one batch of the first document, and enough for the others
        _, most = resource.prlimit(worker.pid, resource.RLIMIT_DATA)
        limits = (_private_bytes(worker.pid) + _ROOM_BYTES, most)
        resource.prlimit(worker.pid, resource.RLIMIT_DATA, limits)
        for each in (huge, *others):
            queue.enqueue(attempt_of(each))
        until(lambda: all(_job(house, each).state == "searchable" for each in others))
        until(lambda: _job(house, huge).error is not None)
        assert worker.poll() is None
    waiting = _job(house, huge)
    _assert_waits(waiting)
    assert "hunger" not in house.searchable_text()
    # there is memory again
    again = Attempt(waiting.id, waiting.attempt)
    stages = house.stages()
    for step in (stages.parse, stages.chunk, stages.embed, stages.publish):
        step(again)
    stages.clean(again)
    assert _job(house, huge).state == "searchable"
    assert house.searchable_text().count("Of rivers.") == len(others)
    with house.worker():
        until(lambda: not house.store.staging.list())
    assert house.orphans() == NO_ORPHANS


@contextmanager
def _held_to(num_bytes: int) -> Iterator[Path]:
    """A group of processes that may have so much; the kernel ends one of them for more."""
    group = next(filter(None, (_make_group(*each, num_bytes) for each in _LIMITS.items())), None)
    if group is None:
        pytest.skip("a memory limit of the kernel's needs a control group that may be made")
    try:
        yield group
    finally:
        # what was killed in it leaves it when the kernel comes to that
        until(lambda: _is_removed(group))


def _make_group(root: Path, limit: str, num_bytes: int) -> Path | None:
    group = root / "cimiento-test"
    try:
        group.mkdir()
        (group / limit).write_text(str(num_bytes))
    except OSError:
        if group.is_dir():
            group.rmdir()
        return None
    return group


def _is_removed(group: Path) -> bool:
    try:
        group.rmdir()
    except OSError:
        return False
    return True


def test_the_kernel_takes_the_parser_and_not_the_worker(
    house: House, queue: IngestionQueue
) -> None:
    huge = house.upload("huge.txt", b"fill the memory")
    other = house.upload("other.txt", b"of rivers")
    with _held_to(_ROOM_BYTES) as group, worker_process(house, manner="hostile-parser") as worker:
        until(lambda: bool(house.workers().find_living()))
        (group / "cgroup.procs").write_text(str(worker.pid))
        for each in (huge, other):
            queue.enqueue(attempt_of(each))
        until(lambda: _job(house, huge).error is not None)
        until(lambda: _job(house, other).state == "searchable")
        assert worker.poll() is None
    _assert_waits(_job(house, huge))
