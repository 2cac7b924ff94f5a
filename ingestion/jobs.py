"""Jobs: how far each version is, how it ended, and what people change about it. Runs nothing."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from sqlalchemy import Row, Select, func, select, update
from sqlalchemy.orm import Session

from core.access import Access
from core.errors import JobNotFoundError
from core.events import tell_of_version
from core.ids import DocumentId, VersionId
from core.tables import CollectionRow, DocumentRow, JobRow, VersionRow, now
from ingestion.attempts import BLANK, OPEN_STATES, Attempt, JobError, JobState, Stage, change
from ingestion.errors import JobFinishedError, JobNotRetryableError
from ingestion.store import Store
from ingestion.turns import next_turn

_ID_BATCH: Final = 500


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
class Backlog:
    """What there is to do: jobs that wait, that run by their stage, and that failed and wait for
    somebody; `oldest_s` is how long the first of those that wait has done so.
    """

    num_queued: int
    num_running: Mapping[str, int]
    num_failed: int
    oldest_s: float


class Jobs:
    """Every query on jobs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, job_id: VersionId, access: Access) -> Job:
        """One job. Raises `JobNotFoundError`."""
        with self._store.database.read_scope() as session:
            return _get(session, job_id, access)

    def find_all(self, job_ids: Collection[VersionId]) -> dict[VersionId, Job]:
        """Those of these jobs that there are, whoever may see them."""
        ids = sorted(job_ids)
        found: list[Row[JobRow, int, str]] = []
        with self._store.database.read_scope() as session:
            for start in range(0, len(ids), _ID_BATCH):
                some = JobRow.id.in_(ids[start : start + _ID_BATCH])
                found += session.execute(_select_jobs(Access.to_everything()).where(some)).all()
        return {job.id: job for job in map(_job, found)}

    def backlog(self) -> Backlog:
        """What there is to do in all collections."""
        states = select(JobRow.state, JobRow.stage, func.count())
        states = states.where(JobRow.state.in_((*OPEN_STATES, "failed")))
        oldest = select(func.min(JobRow.created_at)).where(JobRow.state == "queued")
        with self._store.database.read_scope() as session:
            rows = session.execute(states.group_by(JobRow.state, JobRow.stage)).all()
            since = session.scalar(oldest)
        running, num = Counter[str](), Counter[str]()
        for state, stage, number in rows:
            num[state] += number
            if state == "running":
                running[stage or "starting"] += number
        waited_s = 0.0 if since is None else max(0.0, (now() - since).total_seconds())
        return Backlog(num["queued"], running, num["failed"], waited_s)

    def list_attached(self, version_id: VersionId) -> list[Job]:
        """The jobs of what was attached to a version, oldest first."""
        query = _select_jobs(Access.to_everything()).where(VersionRow.parent_id == version_id)
        with self._store.database.read_scope() as session:
            return [_job(row) for row in session.execute(query.order_by(JobRow.id))]

    def cancel(self, job_id: VersionId, access: Access) -> Job:
        """End an open job as cancelled; running work stops by itself within moments.

        Raises `JobNotFoundError`, `JobFinishedError`.
        """
        with self._store.database.session_scope() as session:
            job = _get(session, job_id, access)
            if not job.is_open:
                raise JobFinishedError(f"the job is {job.state} already")
            attempt = Attempt(job.id, job.attempt)
            change(session, attempt, OPEN_STATES, state="cancelled", finished_at=now())
            tell_of_version(session, "job.cancelled", job.id)
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
            values = {**BLANK, "state": "queued", "failures": 0, "turn": turn}
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
