"""Jobs: how far each version is, and how it ended. Changes states; runs nothing."""

import errno
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal, cast

from sqlalchemy import CursorResult, Row, Select, select, update
from sqlalchemy.orm import Session

from core.access import Access
from core.errors import CimientoError, JobNotFoundError
from core.ids import DocumentId, VersionId, WorkerId
from core.tables import CollectionRow, DocumentRow, JobRow, VersionRow, WorkerRow, now
from ingestion.errors import (
    JobFinishedError,
    JobNotRetryableError,
    StorageFullError,
    WorkerGivenUpError,
)
from ingestion.patience import Patience
from ingestion.store import Store
from ingestion.turns import next_turn

JobState = Literal["queued", "running", "searchable", "failed", "cancelled"]
Stage = Literal["parsing", "chunking", "embedding", "publishing"]

OPEN_STATES: Final[tuple[JobState, ...]] = ("queued", "running")


class NoLongerWantedError(Exception):
    """The version was deleted, cancelled, begun anew or taken over while it was worked on: stop
    quietly.
    """


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed: a stable code, a sentence for a person, whether a retry can help."""

    code: str
    message: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """One go at making a version searchable; a retry is the next.

    Where a worker holds it, `lease` is its number: every write of the worker names it, and is
    refused once another one took the work over. `turn` is its place in the order of the queue.
    """

    version_id: VersionId
    number: int
    turn: int = field(default=1, compare=False)
    lease: int | None = field(default=None, compare=False)

    @property
    def workflow_id(self) -> str:
        """Id of the durable workflow: the version's own for the first attempt."""
        return self.version_id if self.number == 1 else f"{self.version_id}.{self.number}"


@dataclass(frozen=True, slots=True)
class Again:
    """The next attempt at what failed, and the pause before it."""

    attempt: Attempt
    pause_s: float


@dataclass(frozen=True, slots=True)
class Job:
    """The work of making one version searchable. `done` of `total` counts `unit`s of the stage,
    `rate` how many of them a second. A queued job with an error waits to be tried again.
    """

    id: VersionId
    document_id: DocumentId
    document_name: str
    version: int
    state: JobState
    stage: Stage | None
    done: int
    total: int | None
    unit: str | None
    rate: float | None
    attempt: int
    turn: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: JobError | None

    @property
    def eta_s(self) -> float | None:
        """Seconds until the stage is done, at the rate so far; None where that cannot be told."""
        if self.state != "running" or not self.rate or self.total is None:
            return None
        return (self.total - self.done) / self.rate

    @property
    def is_open(self) -> bool:
        """Whether the job is still to come to its end."""
        return self.state in OPEN_STATES


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to list; None does not filter. `collection` is a name."""

    state: JobState | None = None
    collection: str | None = None
    document_id: DocumentId | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How far a stage is: `done` of `total` `unit`s, at `rate` of them a second."""

    stage: Stage
    done: int
    total: int | None
    unit: str | None
    rate: float | None = None


class Jobs:
    """Every query on jobs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, job_id: VersionId, access: Access) -> Job:
        """One job. Raises `JobNotFoundError`."""
        with self._store.database.read_scope() as session:
            return _get(session, job_id, access)

    def list_open(self, states: Sequence[JobState] = OPEN_STATES) -> list[Attempt]:
        """Every attempt that is queued or running, oldest first."""
        query = select(JobRow.id, JobRow.attempt, JobRow.turn).where(JobRow.state.in_(states))
        with self._store.database.read_scope() as session:
            rows = session.execute(query.order_by(JobRow.created_at, JobRow.id)).all()
        return [Attempt(VersionId(row.id), row.attempt, turn=row.turn) for row in rows]

    def list_attached(self, version_id: VersionId) -> list[Job]:
        """The jobs of what was attached to a version, oldest first."""
        query = _select_jobs(Access.to_everything()).where(VersionRow.parent_id == version_id)
        with self._store.database.read_scope() as session:
            return [_job(row) for row in session.execute(query.order_by(JobRow.id))]

    def is_open(self, version_id: VersionId) -> bool:
        """Whether any attempt at the version is queued or running."""
        query = select(JobRow.id).where(JobRow.id == version_id, JobRow.state.in_(OPEN_STATES))
        with self._store.database.read_scope() as session:
            return session.scalar(query) is not None

    def take(self, attempt: Attempt, worker_id: WorkerId) -> Attempt:
        """Make the worker the holder of the attempt, in place of any earlier one.

        Returns the attempt with its new lease. Raises `NoLongerWantedError`, and
        `WorkerGivenUpError` for a worker that the others gave up: its work is another's.
        """
        values = {"state": "running", "lease": JobRow.lease + 1, "worker_id": worker_id}
        with self._store.database.session_scope() as session:
            living = select(WorkerRow.id).where(WorkerRow.id == worker_id).with_for_update()
            if session.scalar(living) is None:
                raise WorkerGivenUpError(f"worker {worker_id} is not among the living")
            _set(session, attempt, OPEN_STATES, **values)
            lease = session.scalars(
                select(JobRow.lease).where(JobRow.id == attempt.version_id)
            ).one()
        return replace(attempt, lease=lease)

    def begin(self, attempt: Attempt) -> None:
        """Mark the attempt as running. Raises `NoLongerWantedError`."""
        with self._store.database.session_scope() as session:
            _set(session, attempt, OPEN_STATES, state="running")
            session.execute(
                update(JobRow)
                .where(JobRow.id == attempt.version_id, JobRow.started_at.is_(None))
                .values(started_at=now())
            )

    def report(self, attempt: Attempt, reading: Reading) -> None:
        """Note how far a stage is. Raises `NoLongerWantedError`."""
        with self._store.database.session_scope() as session:
            _set(session, attempt, ("running",), **asdict(reading))

    def fail(self, attempt: Attempt, error: JobError) -> bool:
        """End the attempt as failed. Returns whether it was still open."""
        values = {
            "state": "failed",
            "finished_at": now(),
            "error_code": error.code,
            "error_message": error.message,
            "error_retryable": error.retryable,
        }
        try:
            with self._store.database.session_scope() as session:
                _set(session, attempt, OPEN_STATES, **values)
        except NoLongerWantedError:
            return False
        return True

    def try_again(self, attempt: Attempt, error: JobError, patience: Patience) -> Again | None:
        """Queue the attempt anew after an error that may go away by itself; what is staged stays.

        None when patience is at its end, or the attempt is not wanted any more; then nothing was
        changed. Otherwise the caller enqueues what is returned.
        """
        values = {
            **_BLANK,
            "state": "queued",
            "attempt": JobRow.attempt + 1,
            "failures": JobRow.failures + 1,
            "error_code": error.code,
            "error_message": error.message,
            "error_retryable": error.retryable,
        }
        with self._store.database.session_scope() as session, suppress(NoLongerWantedError):
            row = session.get(JobRow, attempt.version_id, with_for_update=True)
            if row is not None and row.failures + 1 < patience.max_tries:
                num_failures = row.failures + 1
                _set(session, attempt, OPEN_STATES, **values)
                again = Attempt(attempt.version_id, attempt.number + 1, turn=row.turn)
                return Again(again, patience.pause_s(num_failures))
        return None

    def cancel(self, job_id: VersionId, access: Access) -> Job:
        """End an open job as cancelled; running work stops by itself within moments.

        Raises `JobNotFoundError`, `JobFinishedError`.
        """
        with self._store.database.session_scope() as session:
            job = _get(session, job_id, access)
            if not job.is_open:
                raise JobFinishedError(f"the job is {job.state} already")
            attempt = Attempt(job.id, job.attempt)
            _set(session, attempt, OPEN_STATES, state="cancelled", finished_at=now())
        self._store.staging.remove(job_id)
        return self.get(job_id, access)

    def retry(self, job_id: VersionId, access: Access, *, password: str | None = None) -> Job:
        """Queue a failed or cancelled job anew, as its next attempt; the caller enqueues it.

        What opened the file before is gone. Raises `JobNotFoundError`, `JobNotRetryableError`.
        """
        with self._store.database.session_scope() as session:
            job = _get(session, job_id, access)
            if job.state not in ("failed", "cancelled"):
                raise JobNotRetryableError(f"the job is {job.state}: there is nothing to retry")
            _refuse_superseded(session, job)
            turn = next_turn(session, session.get_one(JobRow, job_id).lane)
            values = {**_BLANK, "state": "queued", "failures": 0, "turn": turn}
            session.execute(
                update(JobRow).where(JobRow.id == job_id).values(attempt=job.attempt + 1, **values)
            )
            version = update(VersionRow).where(VersionRow.id == job_id)
            session.execute(version.values(state="queued"))
            # Nothing of a failed attempt is trusted. Before the commit: then a worker may begin.
            self._store.staging.remove(job_id)
            if password:
                self._store.staging.of(job_id).save_password(password)
        return self.get(job_id, access)

    def list(
        self,
        access: Access,
        *,
        where: JobFilter | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> list[Job]:
        """Jobs the caller may see, newest first; the id of the last one is the next cursor."""
        query = _filter(_select_jobs(access), where or JobFilter())
        query = query.order_by(JobRow.id.desc()).limit(limit)
        if cursor is not None:
            query = query.where(JobRow.id < cursor)
        with self._store.database.read_scope() as session:
            return [_job(row) for row in session.execute(query)]


def finish(session: Session, attempt: Attempt, *, num_chunks: int) -> None:
    """End the attempt as searchable, inside the transaction that publishes it.

    Raises `NoLongerWantedError`, and with it undoes the publication.
    """
    count = {"done": num_chunks, "total": num_chunks, "unit": "chunks"}
    _set(session, attempt, ("running",), state="searchable", finished_at=now(), **count)


def job_error(error: BaseException) -> JobError:
    """What a person is told about an exception."""
    if isinstance(error, CimientoError):
        return JobError(error.code, str(error), error.retryable)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return job_error(StorageFullError("there is no room left on the disk of the data folder"))
    message = f"an unexpected error stopped the work ({type(error).__name__}); the log has details"
    return JobError(CimientoError.code, message, retryable=True)


_BLANK: Final[dict[str, Any]] = {
    "stage": None,
    "done": 0,
    "total": None,
    "unit": None,
    "rate": None,
    "started_at": None,
    "finished_at": None,
    "error_code": None,
    "error_message": None,
    "error_retryable": None,
}


def _set(session: Session, attempt: Attempt, states: tuple[str, ...], /, **values: object) -> None:
    statement = update(JobRow).where(
        JobRow.id == attempt.version_id,
        JobRow.attempt == attempt.number,
        JobRow.state.in_(states),
    )
    if attempt.lease is not None:
        statement = statement.where(JobRow.lease == attempt.lease)
    result = session.execute(statement.values(**values))
    if cast("CursorResult[Any]", result).rowcount == 0:
        raise NoLongerWantedError(attempt.workflow_id)
    if "state" in values:
        session.execute(
            update(VersionRow)
            .where(VersionRow.id == attempt.version_id)
            .values(state=values["state"])
        )


def _refuse_superseded(session: Session, job: Job) -> None:
    newer = select(VersionRow.number).where(
        VersionRow.document_id == job.document_id,
        VersionRow.number > job.version,
        VersionRow.published_at.is_not(None),
    )
    if session.scalar(newer.limit(1)) is not None:
        raise JobNotRetryableError("a newer version of the document is searchable")


def _filter(query: Select[JobRow, int, str], where: JobFilter) -> Select[JobRow, int, str]:
    if where.state is not None:
        query = query.where(JobRow.state == where.state)
    if where.document_id is not None:
        query = query.where(JobRow.document_id == where.document_id)
    if where.collection is not None:
        named = select(CollectionRow.id).where(CollectionRow.name == where.collection)
        query = query.where(DocumentRow.collection_id.in_(named))
    return query


def _select_jobs(access: Access) -> Select[JobRow, int, str]:
    query = (
        select(JobRow, VersionRow.number, DocumentRow.name)
        .join(VersionRow, VersionRow.id == JobRow.id)
        .join(DocumentRow, DocumentRow.id == JobRow.document_id)
    )
    if access.collection_ids is not None:
        query = query.where(DocumentRow.collection_id.in_(access.collection_ids))
    return query


def _get(session: Session, job_id: VersionId, access: Access) -> Job:
    row = session.execute(_select_jobs(access).where(JobRow.id == job_id)).one_or_none()
    if row is None:
        raise JobNotFoundError(f"there is no job {job_id!r}")
    return _job(row)


def _job(row: Row[JobRow, int, str]) -> Job:
    job, number, name = row
    error = None
    if job.error_code is not None:
        error = JobError(job.error_code, job.error_message or "", bool(job.error_retryable))
    return Job(
        id=VersionId(job.id),
        document_id=DocumentId(job.document_id),
        document_name=name,
        version=number,
        state=cast("JobState", job.state),
        stage=cast("Stage | None", job.stage),
        done=job.done,
        total=job.total,
        unit=job.unit,
        rate=job.rate,
        attempt=job.attempt,
        turn=job.turn,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        error=error,
    )
