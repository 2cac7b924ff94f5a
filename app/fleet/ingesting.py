"""An ingestion worker that is handed its documents one by one. Knows no Ray, asks no queue.

Everything that holds for `cimiento worker ingest` holds here, for it is the same code: a document
goes on from what was staged, a lease lets one holder publish, a deletion ends the work.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import structlog

from core.ids import VersionId
from ingestion.attempts import Attempt, Attempts, job_error
from ingestion.errors import WorkerGivenUpError
from ingestion.pipeline import Stages, run_attempt
from ingestion.work_lock import WorkLock
from ingestion.workers import Workers
from ingestion.workflow import IngestionQueue

_log = structlog.get_logger()

_LOOK_EVERY_S: Final = 1.0
_WAITS: Final = "ENQUEUED"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt. `again_in_s`: when the next one may begin, if there is one."""

    version_id: VersionId
    again_in_s: float | None = None


def forget_waiting(queue: IngestionQueue, attempts: Iterable[Attempt]) -> None:
    """Take attempts that were worked off here out of the queue, where no worker had begun them."""
    waiting = [each for each, state in queue.statuses(list(attempts)).items() if state == _WAITS]
    queue.forget([each.workflow_id for each in waiting])


class BulkIngester:
    """One living worker among the others. `close` it where its process goes on without it."""

    def __init__(
        self,
        attempts: Attempts,
        stages: Stages,
        workers: Workers,
        work_lock: WorkLock,
        *,
        die: Callable[[], None],
    ) -> None:
        """die: ends this process; called where the others gave it up, or a step is stuck in it."""
        self._attempts = attempts
        self._stages = stages
        self._workers = workers
        self._work_lock = work_lock
        self._die = die
        self._closed = threading.Event()
        self._id = workers.join()
        self._threads = [
            threading.Thread(target=self._keep, args=(every_s, what), daemon=True)
            for every_s, what in (
                (workers.beat_every_s, self._renew),
                (_LOOK_EVERY_S, self._end_stalled),
            )
        ]
        for thread in self._threads:
            thread.start()

    def ingest(self, attempt: Attempt) -> Outcome:
        """Bring the attempt to one end, unless another living worker has it in hand."""
        holder = self._attempts.find_holder(attempt)
        if holder not in (None, self._id) and holder in self._workers.find_living():
            return Outcome(attempt.version_id)
        with self._work_lock.working():
            again = run_attempt(attempt, self._stages, self._id)
        return Outcome(attempt.version_id, None if again is None else again.pause_s)

    def close(self) -> None:
        """Leave the living; what is left of the work is another's."""
        self._closed.set()
        for thread in self._threads:
            thread.join()
        self._workers.leave(self._id)

    def _keep(self, every_s: float, what: Callable[[], None]) -> None:
        while not self._closed.wait(every_s):
            try:
                what()
            except Exception as error:  # noqa: BLE001 - the worker loop classifies and records
                _log.warning("worker_duty_failed", duty=what.__name__, error=repr(error))

    def _renew(self) -> None:
        try:
            self._workers.renew(self._id)
        except WorkerGivenUpError as error:
            _log.warning("worker_was_given_up", worker=self._id, reason=str(error))
            self._die()

    def _end_stalled(self) -> None:
        for attempt, error in self._stages.find_stalled():
            self._attempts.fail(attempt, job_error(error))
            _log.error("stage_stalled", version=attempt.version_id, reason=str(error))
            self._die()
