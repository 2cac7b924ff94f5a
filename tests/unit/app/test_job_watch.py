"""However many follow jobs, they are looked at together; each is told what changed, and the end."""

import asyncio
import threading
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import pytest

from app.errors import ShuttingDownError
from app.job_watch import JobWatch
from core.errors import JobNotFoundError
from core.ids import DocumentId, VersionId
from core.tables import now
from ingestion.jobs import Job

WITHIN_S = 60


def job(number: int = 1, **more: Any) -> Job:
    blank: dict[str, Any] = dict.fromkeys(Job.__slots__)
    known = {"id": f"ver_{number}", "document_id": DocumentId("doc"), "state": "queued"}
    return Job(**{**blank, **known, "done": 0, "created_at": now(), **more})


class Jobs:
    """Jobs that are looked at; counts how often, and of how many at once."""

    def __init__(self, *jobs: Job) -> None:
        self.there = {each.id: each for each in jobs}
        self.looks: list[int] = []
        self.faults: list[Exception] = []
        self.is_ending = False
        self.watch = JobWatch(self.find, is_ending=lambda: self.is_ending, every_s=0.01)

    def find(self, job_ids: Collection[VersionId]) -> dict[VersionId, Job]:
        self.looks.append(len(job_ids))
        if self.faults:
            raise self.faults.pop()
        return {each: self.there[each] for each in job_ids if each in self.there}


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - another thread makes it so
        await asyncio.sleep(0.01)


def is_looking() -> bool:
    return any(thread.name == "job-watch" for thread in threading.enumerate())


async def test_a_follower_is_told_of_every_change_and_of_nothing_else() -> None:
    jobs = Jobs(job())
    async with asyncio.timeout(WITHIN_S), jobs.watch.follow(VersionId("ver_1")) as follower:
        first = await follower.next()
        num_looks = len(jobs.looks)
        await until(lambda: len(jobs.looks) > num_looks + 2)
        jobs.there[first.id] = replace(first, done=5)
        assert (await follower.next()).done == 5


async def test_many_followers_cost_one_look() -> None:
    many = [job(number) for number in range(50)]
    jobs = Jobs(*many)
    is_over = asyncio.Event()

    async def follow(job_id: VersionId) -> None:
        async with jobs.watch.follow(job_id) as follower:
            assert (await follower.next()).id == job_id
            await is_over.wait()

    async with asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as tasks:
        for each in many * 4:
            tasks.create_task(follow(each.id))
        await until(lambda: max(jobs.looks, default=0) == len(many))
        assert sum(thread.name == "job-watch" for thread in threading.enumerate()) == 1
        is_over.set()


async def test_a_job_that_is_gone_and_a_service_that_ends_are_told() -> None:
    jobs = Jobs(job())
    async with asyncio.timeout(WITHIN_S), jobs.watch.follow(VersionId("ver_1")) as follower:
        await follower.next()
        jobs.there.clear()
        with pytest.raises(JobNotFoundError):
            await follower.next()
    jobs = Jobs(job())
    async with asyncio.timeout(WITHIN_S), jobs.watch.follow(VersionId("ver_1")) as follower:
        await follower.next()
        jobs.is_ending = True
        with pytest.raises(ShuttingDownError):
            await follower.next()


async def test_nobody_looks_while_nobody_follows() -> None:
    jobs = Jobs(job())
    async with asyncio.timeout(WITHIN_S):
        async with jobs.watch.follow(VersionId("ver_1")) as follower:
            await follower.next()
        await until(lambda: not is_looking())
        async with jobs.watch.follow(VersionId("ver_1")) as follower:
            assert (await follower.next()).state == "queued"


async def test_a_look_that_fails_leaves_nobody_waiting() -> None:
    jobs = Jobs(job())
    jobs.faults.append(ValueError("a row that cannot be read"))
    async with asyncio.timeout(WITHIN_S), jobs.watch.follow(VersionId("ver_1")) as follower:
        assert (await follower.next()).id == "ver_1"
    assert not jobs.faults
