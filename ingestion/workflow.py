"""The durable side of ingestion: DBOS runs the story, and goes on with it after a crash.

`IngestionQueue` only hands work over, and is what the API holds; `IngestionWorker` does the work,
in any number of processes. Neither touches the network: no conductor, no telemetry.
"""

import fcntl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import structlog
from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions
from sqlalchemy import create_engine, make_url

from core.deletions import LOG_NAME, DeletionLog
from core.errors import AlreadyRunningError
from core.ids import VersionId, WorkerId
from ingestion.attempts import Attempt, Attempts, job_error
from ingestion.claims import Claims, find_unneeded
from ingestion.compaction import Compactions
from ingestion.errors import IngestionInterruptedError, WorkerGivenUpError
from ingestion.index_keeper import IndexDuty, Tidying
from ingestion.patience import patience_with
from ingestion.pipeline import Stages, run_attempt
from ingestion.reembedding import change_model
from ingestion.store import Store
from ingestion.sweep import sweep, sweep_blobs, sweep_deleted, sweep_published
from ingestion.work_lock import WorkLock
from ingestion.workers import Workers

log = structlog.get_logger()

_APPLICATION: Final = "cimiento"
_WORKFLOW: Final = "ingest_document"
_QUEUE: Final = "ingestion"
# Fixed: DBOS recovers only what the same application version left, and every step can be begun
# again by any version of this code.
_VERSION: Final = "1"
_POLL_S: Final = 0.2
_LOOK_EVERY_S: Final = 1.0
_RECONCILE_EVERY_S: Final = 5.0
_SWEEP_EVERY_S: Final = 60.0
_SWEEP_BLOBS_EVERY_S: Final = 3600.0
_COMPACT_EVERY_S: Final = 600.0
_RECONCILE_ALL_EVERY: Final = 12
_STOP_WITHIN_S: Final = 5.0
_OTHER_THREADS: Final = 3
_STATUS_BATCH: Final = 500
_KEEP_ENDED_S: Final = 60.0
_LAST_TURN: Final = 2**31 - 1
_ENDED: Final = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")


class IngestionQueue:
    """Hands attempts to whichever worker serves the data folder. Thread-safe; close it."""

    def __init__(self, jobs_url: str) -> None:
        prepare_job_store(jobs_url)
        # A request that cannot queue its upload now is told so; what it committed is queued by the
        # reconciler. DBOS itself would let it wait until the database is back.
        self._client = DBOSClient(
            system_database_url=jobs_url,
            application_name=_APPLICATION,
            retry_connection_errors=False,
        )

    def enqueue(self, attempt: Attempt, *, delay_s: float = 0.0) -> None:
        """Queue the attempt, to begin after the delay. Doing so twice is doing so once."""
        options: EnqueueOptions = {
            "workflow_name": _WORKFLOW,
            "queue_name": _QUEUE,
            "workflow_id": attempt.workflow_id,
            "priority": min(attempt.turn, _LAST_TURN),
        }
        if delay_s:
            options["delay_seconds"] = delay_s
        self._client.enqueue(options, attempt.version_id, attempt.number)

    def statuses(self, attempts: Sequence[Attempt]) -> dict[Attempt, str]:
        """State of each durable workflow in DBOS's words; attempts that have none are left out."""
        found: dict[str, str] = {}
        for start in range(0, len(attempts), _STATUS_BATCH):
            batch = attempts[start : start + _STATUS_BATCH]
            workflows = self._client.list_workflows(
                workflow_ids=[attempt.workflow_id for attempt in batch],
                load_input=False,
                load_output=False,
            )
            found |= {workflow.workflow_id: workflow.status for workflow in workflows}
        return {
            attempt: found[attempt.workflow_id]
            for attempt in attempts
            if attempt.workflow_id in found
        }

    def list_workflows(self, *, ended_only: bool) -> dict[str, float]:
        """Every durable workflow that is remembered: its id, and when it last changed (epoch s)."""
        workflows = self._client.list_workflows(
            name=_WORKFLOW,
            status=list(_ENDED) if ended_only else None,
            load_input=False,
            load_output=False,
        )
        return {each.workflow_id: (each.updated_at or 0) / 1000 for each in workflows}

    def forget(self, workflow_ids: Sequence[str]) -> None:
        """Remove workflows with all that was remembered of them."""
        for start in range(0, len(workflow_ids), _STATUS_BATCH):
            self._client.delete_workflows(list(workflow_ids[start : start + _STATUS_BATCH]))

    def find_holders(self) -> set[WorkerId]:
        """Every worker, alive or not, that has begun work which has not ended."""
        workflows = self._client.list_workflows(
            status="PENDING", queue_name=_QUEUE, load_input=False, load_output=False
        )
        return {WorkerId(workflow.executor_id) for workflow in workflows if workflow.executor_id}

    def find_held(self, worker_id: WorkerId) -> set[str]:
        """The durable workflows that the queue gave to a worker and that have not ended."""
        workflows = self._client.list_workflows(
            status="PENDING",
            queue_name=_QUEUE,
            executor_id=worker_id,
            load_input=False,
            load_output=False,
        )
        return {workflow.workflow_id for workflow in workflows}

    def close(self) -> None:
        """Close every connection."""
        self._client.destroy()


class IngestionWorker:
    """Works the queue off beside other workers, and goes on with what a dead one left.

    Use as a context manager, once a process at a time: DBOS is a singleton.
    """

    def __init__(
        self,
        jobs_url: str,
        store: Store,
        stages: Stages,
        workers: Workers,
        work_lock: WorkLock,
        *,
        num_documents: int = 1,
    ) -> None:
        self._jobs_url = jobs_url
        self._store = store
        self._attempts = Attempts(store)
        self._stages = stages
        self._duties = (
            IndexDuty(store, Tidying(), name="index-tidying"),
            IndexDuty(
                store,
                lambda shop: change_model(shop, stages.embedders.wanted),
                name="model-change",
            ),
        )
        self._workers = workers
        self._work_lock = work_lock
        self._compactions = Compactions(store.database, store.data_dir)
        self._deletions = DeletionLog(store.data_dir / LOG_NAME)
        self._num_documents = num_documents
        # Set when the process should end and be started anew: the other workers gave it up, or a
        # step is stuck in it.
        self.is_spent = threading.Event()
        self.abandoned = False
        self._stopping = threading.Event()
        self._idle = threading.Semaphore(num_documents)
        self._is_untidy = True
        self._enqueued: set[Attempt] = set()
        self._claims = Claims()
        self._num_reconciled = 0
        self._threads = [
            threading.Thread(target=self._keep, args=(every_s, what), daemon=True)
            for every_s, what in (
                (self._workers.beat_every_s, self._renew),
                (_LOOK_EVERY_S, self._take_over),
                (_RECONCILE_EVERY_S, self._reconcile),
                (_LOOK_EVERY_S, self._end_stalled),
                (_SWEEP_EVERY_S, self._sweep_deleted),
                (_SWEEP_BLOBS_EVERY_S, self._sweep_blobs),
                (_COMPACT_EVERY_S, self._compact),
            )
        ]

    def __enter__(self) -> Self:
        prepare_job_store(self._jobs_url)
        self._queue = IngestionQueue(self._jobs_url)
        self._id = self._workers.join()
        self._tidy_up()
        DBOS(config=_config(self._jobs_url, self._id, self._num_documents))
        DBOS.workflow(name=_WORKFLOW, max_recovery_attempts=None)(self._workflow())
        DBOS.launch()
        DBOS.register_queue(
            _QUEUE, worker_concurrency=self._num_documents, polling_interval_sec=_POLL_S
        )
        for thread in self._threads:
            thread.start()
        for duty in self._duties:
            duty.start()
        log.info("ingestion_started", worker=self._id)
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Stop within seconds. Work under way stays as it is; another worker goes on with it.

        Afterwards `abandoned` says whether a step is still computing: Python cannot end a thread,
        so that only the end of the process ends it.
        """
        self._stopping.set()
        self._stages.stop()
        for duty in self._duties:
            duty.stop()
        deadline = time.monotonic() + _STOP_WITHIN_S
        self.abandoned = not all(
            self._idle.acquire(timeout=max(0.0, deadline - time.monotonic()))
            for _ in range(self._num_documents)
        )
        DBOS.destroy(destroy_registry=True)
        for thread in self._threads:
            thread.join(_STOP_WITHIN_S)
        for duty in self._duties:
            self.abandoned |= not duty.join(_STOP_WITHIN_S)
        if not self.abandoned:
            # An abandoned step still writes: its work is free when the process ends, not before.
            self._workers.leave(self._id)
        self._forget_ended(older_than_s=0.0)
        self._queue.close()
        log.info("ingestion_stopped", worker=self._id)

    def _workflow(self) -> Callable[[str, int], None]:
        # DBOS marks the function it is given, which a bound method does not allow.
        def ingest(version_id: str, number: int) -> None:
            attempt = Attempt(VersionId(version_id), number)
            with self._claims.holding(attempt), self._idle, self._work_lock.working():
                again = run_attempt(attempt, self._stages, self._id, _run_durably)
            # should the process die before this, the reconciler enqueues them
            for attached in self._attempts.list_attached(attempt.version_id):
                self._queue.enqueue(attached)
            if again is not None:
                self._queue.enqueue(again.attempt, delay_s=again.pause_s)

        return ingest

    def _keep(self, every_s: float, what: Callable[[], None]) -> None:
        while not self._stopping.is_set():
            try:
                what()
            except Exception as error:  # noqa: BLE001 - the worker loop classifies and records
                if not self._stopping.is_set():
                    log.warning("worker_duty_failed", duty=what.__name__, error=repr(error))
            self._stopping.wait(every_s)

    def _renew(self) -> None:
        try:
            self._workers.renew(self._id)
        except WorkerGivenUpError as error:
            self._stages.stop()
            self.is_spent.set()
            log.warning("worker_was_given_up", worker=self._id, reason=str(error))

    def _take_over(self) -> None:
        """Put the work of dead workers back into the queue, and tidy up after them."""
        # In this order: a worker enters itself before it begins work.
        holders = self._queue.find_holders()
        if dead := holders - self._workers.find_living():
            # Only what these still hold is moved: doing so twice, or from two workers, is once.
            DBOS._recover_pending_workflows(sorted(dead))  # noqa: SLF001 - DBOS has no other way
            self._is_untidy = True
            log.warning("work_taken_over", workers=sorted(dead))
        if self._is_untidy:
            self._tidy_up()

    def _end_stalled(self) -> None:
        """Fail what stands still. Python cannot end a thread: the process ends with it."""
        for attempt, error in self._stages.find_stalled():
            self._attempts.fail(attempt, job_error(error))
            log.error("stage_stalled", version=attempt.version_id, reason=str(error))
            self._stages.stop()
            self.is_spent.set()

    def _tidy_up(self) -> None:
        if not self._workers.are_all_here():
            return
        with suppress(AlreadyRunningError), self._work_lock.alone():
            swept = sweep(self._store)
            self._is_untidy = False
            log.info("ingestion_swept", segments=swept.segments, staged=swept.staged)

    def _sweep_deleted(self) -> None:
        """Remove what dead workers left of deleted documents, however busy the others are; note in
        the file that travels apart from backups what was deleted.
        """
        if num_staged := sweep_deleted(self._store):
            log.info("deleted_work_swept", staged=num_staged)
        self._deletions.follow(self._store.database)

    def _sweep_blobs(self) -> None:
        """Remove bytes of no document or segment: of deletions that came while the store was away,
        or before a process died.
        """
        swept = sweep_blobs(self._store), sweep_published(self._store)
        if any(swept):
            log.info("blobs_swept", documents=swept[0], segments=swept[1])

    def _compact(self) -> None:
        with suppress(AlreadyRunningError):
            self._compactions.compact_if_due()

    def _reconcile(self) -> None:
        """Make the queue agree with the truth: no open job without a workflow that works on it."""
        queued = self._attempts.list_open(("queued",))
        # A long queue is asked about once a minute, what is new to it at once.
        known = self._enqueued if self._num_reconciled % _RECONCILE_ALL_EVERY else set()
        attempts = self._attempts.list_open(("running",)) + [a for a in queued if a not in known]
        statuses = self._queue.statuses(attempts)
        lost = self._claims.find_lost(self._queue.find_held(self._id))
        for attempt in attempts:
            status = statuses.get(attempt)
            if status is None:
                # The upload was committed, and the process died before it enqueued.
                self._queue.enqueue(attempt)
            elif status in _ENDED:
                error = IngestionInterruptedError(f"the durable job ended as {status.lower()}")
                self._begin_anew(attempt, error)
            elif attempt.workflow_id in lost:
                error = IngestionInterruptedError("the queue lost sight of the job")
                self._begin_anew(attempt, error)
        self._enqueued = set(queued)
        self._num_reconciled += 1
        self._forget_ended(older_than_s=_KEEP_ENDED_S)

    def _forget_ended(self, *, older_than_s: float) -> None:
        # The truth remembers how jobs ended; their workflows would only pile up.
        ended = self._queue.list_workflows(ended_only=True)
        self._queue.forget(
            find_unneeded(ended, self._attempts.list_open(), older_than_s=older_than_s)
        )

    def _begin_anew(self, attempt: Attempt, error: IngestionInterruptedError) -> None:
        again = self._attempts.try_again(attempt, job_error(error), patience_with(error))
        if again is None:
            self._attempts.fail(attempt, job_error(error))
        else:
            self._queue.enqueue(again.attempt, delay_s=again.pause_s)


def prepare_job_store(jobs_url: str) -> None:
    """Create or migrate the durable job store. Safe to call again, and from two processes."""
    url = make_url(jobs_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        DBOS.migrate(system_database_url=jobs_url)
        return
    # One process after another: SQLite does not wait for a lock when the journal's mode changes.
    with Path(f"{url.database}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        DBOS.migrate(system_database_url=jobs_url)
        engine = create_engine(jobs_url)
        with engine.connect() as connection:
            # Kept by the file: readers that poll do not stand in the writer's way.
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        engine.dispose()


def _config(jobs_url: str, worker_id: WorkerId, num_documents: int) -> DBOSConfig:
    return {
        "name": _APPLICATION,
        "system_database_url": jobs_url,
        "application_version": _VERSION,
        "executor_id": worker_id,
        "log_level": "WARNING",
        "enable_otlp": False,
        "max_executor_threads": num_documents + _OTHER_THREADS,
    }


def _run_durably(name: str, step: Callable[[], None]) -> None:
    # Failed steps are tried again as a new attempt, after a pause that keeps nobody waiting.
    DBOS.run_step({"name": name}, step)
