"""Which processes of one role live: a row each, renewed by its process. Knows no queue.

No clock is compared with another. A worker is dead when the kernel let go of its lock file, or,
from another machine, when its row stood still for `timeout_s` of the observer's own monotonic time.
A clock that jumps kills nobody.
"""

import fcntl
import os
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

import structlog
from sqlalchemy import delete, select, update

from core.database import Database
from core.ids import WorkerId, new_id
from core.tables import WorkerRow, now
from ingestion.errors import WorkerGivenUpError

log = structlog.get_logger()

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_BEATS_IN_TIMEOUT: Final = 6
_MAX_BEAT_EVERY_S: Final = 5.0
_MAX_MACHINE_CHARS: Final = 64


Role = Literal["ingest", "serve"]


class Workers:
    """The processes of one role over one database. Each holds one of these."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        *,
        timeout_s: float,
        role: Role = "ingest",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._folder = folder
        self._timeout_s = timeout_s
        self._role = role
        self._clock = clock
        self._machine = _machine(folder)
        # What was last seen of each row, and when it was seen to change.
        self._seen: dict[WorkerId, tuple[int, float]] = {}
        self._held: dict[WorkerId, int] = {}

    @property
    def beat_every_s(self) -> float:
        """How often a worker renews its row."""
        return min(self._timeout_s / _BEATS_IN_TIMEOUT, _MAX_BEAT_EVERY_S)

    def join(self) -> WorkerId:
        """Enter a new worker, run by this process."""
        worker_id = WorkerId(new_id("wrk"))
        self._folder.mkdir(parents=True, exist_ok=True)
        # Locked before the row is there: a row whose file is free belongs to a dead process.
        handle = os.open(self._path(worker_id), os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._held[worker_id] = handle
        with self._database.session_scope() as session:
            session.add(
                WorkerRow(id=worker_id, role=self._role, machine=self._machine, pid=os.getpid())
            )
        return worker_id

    def renew(self, worker_id: WorkerId) -> None:
        """Say that the worker lives. Raises `WorkerGivenUpError` when the others gave it up."""
        beat = (
            update(WorkerRow)
            .where(WorkerRow.id == worker_id)
            .values(beats=WorkerRow.beats + 1, beat_at=now())
            .returning(WorkerRow.id)
        )
        with self._database.session_scope() as session:
            if session.scalar(beat) is None:
                raise WorkerGivenUpError(
                    f"the other workers gave this one up: it was silent for {self._timeout_s:g} s "
                    "(CIMIENTO_INGESTION__WORKER_TIMEOUT_S)"
                )

    def leave(self, worker_id: WorkerId) -> None:
        """Take a worker out that has stopped working; what it left is free to be taken over.

        Does nothing where it has left, and lets go of its lock where the others gave it up.
        """
        self._remove({worker_id})
        handle = self._held.pop(worker_id, None)
        if handle is not None:
            os.close(handle)

    def find_living(self) -> set[WorkerId]:
        """Every worker that lives, as far as can be told. The dead ones are taken out."""
        with self._database.read_scope() as session:
            rows = session.scalars(select(WorkerRow).where(WorkerRow.role == self._role)).all()
        dead = {WorkerId(row.id) for row in rows if not self._lives(row)}
        for worker_id in dead:
            log.warning("worker_given_up", worker=worker_id)
        self._remove(dead)
        return {WorkerId(row.id) for row in rows} - dead

    def are_all_here(self) -> bool:
        """Whether every worker runs on this machine, so that its locks speak for all of them."""
        with self._database.read_scope() as session:
            of_role = select(WorkerRow.machine).where(WorkerRow.role == self._role)
            machines = set(session.scalars(of_role))
        return machines <= {self._machine}

    def _lives(self, row: WorkerRow) -> bool:
        worker_id, moment = WorkerId(row.id), self._clock()
        if worker_id in self._held:
            return True
        if row.machine == self._machine and self._is_free(worker_id):
            return False
        beats, since = self._seen.get(worker_id, (-1, moment))
        if beats != row.beats:
            since = moment
        self._seen[worker_id] = (row.beats, since)
        return moment - since <= self._timeout_s

    def _is_free(self, worker_id: WorkerId) -> bool:
        try:
            handle = os.open(self._path(worker_id), os.O_RDWR)
        except FileNotFoundError:
            return True
        try:
            # shared: two observers must not take each other for the worker
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(handle)
        return True

    def _remove(self, worker_ids: set[WorkerId]) -> None:
        if not worker_ids:
            return
        with self._database.session_scope() as session:
            session.execute(delete(WorkerRow).where(WorkerRow.id.in_(worker_ids)))
        for worker_id in worker_ids:
            self._seen.pop(worker_id, None)
            self._path(worker_id).unlink(missing_ok=True)

    def _path(self, worker_id: WorkerId) -> Path:
        return self._folder / f"{worker_id}.lock"


def _machine(folder: Path) -> str:
    """A name for whoever sees the same locks: on this kernel until its next boot, in this folder.

    Containers of one kernel that have folders of their own are as good as machines.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = folder.stat()
    place = f"{found.st_dev:x}.{found.st_ino:x}"
    with suppress(OSError):
        return f"{_BOOT_ID.read_text().strip()}:{place}"[:_MAX_MACHINE_CHARS]
    return f"{platform.node()[: _MAX_MACHINE_CHARS - len(place) - 1]}:{place}"
