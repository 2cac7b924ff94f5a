"""Jobs that are followed: one look at all of them, however many follow. Decides no access."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import structlog

from app.errors import ShuttingDownError
from core.errors import CimientoError, JobNotFoundError
from core.ids import VersionId
from ingestion.jobs import Job

_log = structlog.get_logger()

_LOOK_EVERY_S: Final = 0.3

FindJobs = Callable[[Collection[VersionId]], Mapping[VersionId, Job]]


@dataclass(eq=False, slots=True)
class Follower:
    """Somebody who waits, in whatever event loop they run. `seen` is what they know of."""

    job_id: VersionId
    loop: asyncio.AbstractEventLoop
    seen: Job | CimientoError | None = None
    _news: "asyncio.Queue[Job | CimientoError]" = field(default_factory=asyncio.Queue)

    async def next(self) -> Job:
        """The job, once it is another than before.

        Raises `JobNotFoundError` once it is gone, and `ShuttingDownError`.
        """
        news = await self._news.get()
        if isinstance(news, CimientoError):
            raise news
        return news

    def tell(self, news: Job | CimientoError) -> None:
        """The job as it is now, or why it is not followed any further. From any thread."""
        self.seen = news
        # a loop that was closed has nobody in it who waits
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._news.put_nowait, news)


class JobWatch:
    """Looks at the followed jobs, in a thread that is there while anybody follows. Thread-safe."""

    def __init__(
        self, find: FindJobs, *, is_ending: Callable[[], bool], every_s: float = _LOOK_EVERY_S
    ) -> None:
        self._find = find
        self._is_ending = is_ending
        self._every_s = every_s
        self._lock = threading.Lock()
        self._followers: set[Follower] = set()
        self._is_looking = False
        self._woken = threading.Event()

    @asynccontextmanager
    async def follow(self, job_id: VersionId) -> AsyncIterator[Follower]:
        """Follow a job: its state now is the first news."""
        follower = Follower(job_id, asyncio.get_running_loop())
        with self._lock:
            self._followers.add(follower)
            if not self._is_looking:
                self._is_looking = True
                threading.Thread(target=self._look, name="job-watch", daemon=True).start()
        self._woken.set()
        try:
            yield follower
        finally:
            with self._lock:
                self._followers.discard(follower)

    def _look(self) -> None:
        while followers := self._still_followed():
            self._woken.clear()
            try:
                self._tell(followers)
            except Exception as error:  # noqa: BLE001 - a thread that died would leave all waiting
                _log.warning("job_watch_failed", error=repr(error))
            self._woken.wait(self._every_s)

    def _tell(self, followers: Sequence[Follower]) -> None:
        jobs = self._find({follower.job_id for follower in followers})
        is_ending = self._is_ending()
        for follower in followers:
            job = jobs.get(follower.job_id)
            if is_ending:
                follower.tell(ShuttingDownError("the service is shutting down; follow it again"))
            elif job is None:
                follower.tell(JobNotFoundError(f"there is no job {follower.job_id!r}"))
            elif job != follower.seen:
                follower.tell(job)

    def _still_followed(self) -> list[Follower]:
        with self._lock:
            self._is_looking = bool(self._followers)
            return list(self._followers)
