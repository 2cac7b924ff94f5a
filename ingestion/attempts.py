"""Attempts at jobs: what workers ask and note, each refused once it is another's. Runs nothing."""

import errno
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, Literal, cast

from sqlalchemy import ColumnElement, CursorResult, select, update
from sqlalchemy.orm import Session

from core.errors import CimientoError
from core.events import tell_of_version
from core.ids import VersionId, WorkerId
from core.tables import JobRow, VersionRow, WorkerRow, now
from ingestion.errors import MemoryShortError, StorageFullError, WorkerGivenUpError
from ingestion.patience import Patience, is_short_of_memory
from ingestion.store import Store

JobState = Literal["queued", "running", "searchable", "failed", "cancelled"]
Stage = Literal["parsing", "chunking", "embedding", "publishing"]

OPEN_STATES: Final[tuple[JobState, ...]] = ("queued", "running")


# A job as no attempt has left a mark on it.
BLANK: Final[Mapping[str, object]] = MappingProxyType(
    {
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
)


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
class Reading:
    """How far a stage is: `done` of `total` `unit`s, at `rate` of them a second."""

    stage: Stage
    done: int
    total: int | None
    unit: str | None
    rate: float | None = None


class Attempts:
    """Every query on attempts."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list_open(self, states: Sequence[JobState] = OPEN_STATES) -> list[Attempt]:
        """Every attempt that is queued or running, oldest first."""
        return self._list(JobRow.state.in_(states))

    def list_attached(self, version_id: VersionId) -> list[Attempt]:
        """The open attempts at what was attached to a version, oldest first."""
        attached = select(VersionRow.id).where(VersionRow.parent_id == version_id)
        return self._list(JobRow.state.in_(OPEN_STATES), JobRow.id.in_(attached))

    def is_open(self, version_id: VersionId) -> bool:
        """Whether any attempt at the version is queued or running."""
        query = select(JobRow.id).where(JobRow.id == version_id, JobRow.state.in_(OPEN_STATES))
        with self._store.database.read_scope() as session:
            return session.scalar(query) is not None

    def find_holder(self, attempt: Attempt) -> WorkerId | None:
        """The worker, alive or not, that has the attempt in hand; None where it waits or ended."""
        query = select(JobRow.worker_id).where(
            JobRow.id == attempt.version_id,
            JobRow.attempt == attempt.number,
            JobRow.state == "running",
        )
        with self._store.database.read_scope() as session:
            holder = session.scalar(query)
        return None if holder is None else WorkerId(holder)

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
            change(session, attempt, OPEN_STATES, **values)
            lease = session.scalars(
                select(JobRow.lease).where(JobRow.id == attempt.version_id)
            ).one()
        return replace(attempt, lease=lease)

    def begin(self, attempt: Attempt) -> None:
        """Mark the attempt as running. Raises `NoLongerWantedError`."""
        with self._store.database.session_scope() as session:
            change(session, attempt, OPEN_STATES, state="running")
            session.execute(
                update(JobRow)
                .where(JobRow.id == attempt.version_id, JobRow.started_at.is_(None))
                .values(started_at=now())
            )

    def report(self, attempt: Attempt, reading: Reading) -> None:
        """Note how far a stage is. Raises `NoLongerWantedError`."""
        with self._store.database.session_scope() as session:
            change(session, attempt, ("running",), **asdict(reading))

    def fail(self, attempt: Attempt, error: JobError) -> bool:
        """End the attempt as failed. Returns whether it was still open."""
        try:
            with self._store.database.session_scope() as session:
                fail(session, attempt, error)
        except NoLongerWantedError:
            return False
        return True

    def try_again(self, attempt: Attempt, error: JobError, patience: Patience) -> Again | None:
        """Queue the attempt anew after an error that may go away by itself; what is staged stays.

        None when patience is at its end, or the attempt is not wanted any more; then nothing was
        changed. Otherwise the caller enqueues what is returned.
        """
        values = {
            **BLANK,
            "state": "queued",
            "attempt": JobRow.attempt + 1,
            "failures": JobRow.failures + 1,
            **_columns(error),
        }
        with self._store.database.session_scope() as session, suppress(NoLongerWantedError):
            row = session.get(JobRow, attempt.version_id, with_for_update=True)
            if row is not None and row.failures + 1 < patience.max_tries:
                num_failures = row.failures + 1
                change(session, attempt, OPEN_STATES, **values)
                again = Attempt(attempt.version_id, attempt.number + 1, turn=row.turn)
                return Again(again, patience.pause_s(num_failures))
        return None

    def _list(self, *where: ColumnElement[bool]) -> list[Attempt]:
        query = select(JobRow.id, JobRow.attempt, JobRow.turn).where(*where)
        with self._store.database.read_scope() as session:
            rows = session.execute(query.order_by(JobRow.created_at, JobRow.id)).all()
        return [Attempt(VersionId(row.id), row.attempt, turn=row.turn) for row in rows]


def finish(session: Session, attempt: Attempt, *, num_chunks: int) -> None:
    """End the attempt as searchable, inside the transaction that publishes it.

    Raises `NoLongerWantedError`, and with it undoes the publication.
    """
    count = {"done": num_chunks, "total": num_chunks, "unit": "chunks"}
    change(session, attempt, ("running",), state="searchable", finished_at=now(), **count)
    tell_of_version(session, "document.searchable", attempt.version_id, num_chunks=num_chunks)


def fail(session: Session, attempt: Attempt, error: JobError) -> None:
    """End the attempt as failed, inside a transaction. Raises `NoLongerWantedError`."""
    change(session, attempt, OPEN_STATES, state="failed", finished_at=now(), **_columns(error))
    # without its message, which may hold words of the file
    told = {"code": error.code, "retryable": error.retryable}
    tell_of_version(session, "job.failed", attempt.version_id, error=told)


def job_error(error: BaseException) -> JobError:
    """What a person is told about an exception."""
    if isinstance(error, CimientoError):
        return JobError(error.code, str(error), error.retryable)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return job_error(StorageFullError("there is no room left on the disk of the data folder"))
    if is_short_of_memory(error):
        return job_error(MemoryShortError("the worker had no memory left for this document"))
    message = f"an unexpected error stopped the work ({type(error).__name__}); the log has details"
    return JobError(CimientoError.code, message, retryable=True)


def change(
    session: Session, attempt: Attempt, states: tuple[str, ...], /, **values: object
) -> None:
    """Write to the job and, where `values` has one, the state of its version.

    Raises `NoLongerWantedError` unless the attempt is in one of the states, and its holder's still.
    """
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


def _columns(error: JobError) -> dict[str, object]:
    return {
        "error_code": error.code,
        "error_message": error.message,
        "error_retryable": error.retryable,
    }
