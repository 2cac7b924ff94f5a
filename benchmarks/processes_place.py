"""One truth, so many real processes over it, and what they and the database have spent."""

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Self

from sqlalchemy import func, select, text

from benchmarks.cpu import read_cpu_s
from benchmarks.kill import database_url, settings_of
from core.database import Database
from core.tables import JobRow
from ingestion.attempts import OPEN_STATES
from tests.e2e.service import Place, Service, start
from tests.ports import free_port

_ENDS_WITHIN_S: Final = 60.0
_DONE_WITHIN_S: Final = 3600.0
# A session of PostgreSQL that has nothing to do tells what it spent after ten seconds.
_TOLD_AFTER_S: Final = 11.0


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent up to a moment, or between two. All in seconds.

    `waited_s`: statements from their begin to their end, waits for locks, disk and processor
    included; of PostgreSQL alone, as its sessions count it.
    """

    clock_s: float
    processes_s: float
    database_s: float
    waited_s: float

    def since(self, earlier: Self) -> "Spent":
        """What lies between."""
        return Spent(
            self.clock_s - earlier.clock_s,
            self.processes_s - earlier.processes_s,
            self.database_s - earlier.database_s,
            self.waited_s - earlier.waited_s,
        )


@dataclass(slots=True)
class Ground:
    """An empty truth with a collection, and the processes that were started over it."""

    place: Place
    database: Database
    postmaster: int | None
    running: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    @contextmanager
    def workers(self, number: int) -> Iterator[None]:
        """So many `cimiento worker ingest`."""
        with ExitStack() as stack:
            for _ in range(number):
                process = start(self.place, self._log, "worker", "ingest")
                stack.callback(self._end, process)
                self.running.append(process)
            yield

    @contextmanager
    def apis(self, number: int) -> Iterator[list[Service]]:
        """So many `cimiento serve --role api`, ready, with a key."""
        key = self.run("keys", "create", "processes").strip()
        services = []
        with ExitStack() as stack:
            for _ in range(number):
                place = replace(self.place, port=free_port())
                service = Service(place, self._log, "--role", "api")
                stack.callback(self._end, service.process)
                stack.callback(service.client.close)
                self.running.append(service.process)
                services.append(service)
            for service in services:
                service.wait_until_ready()
                service.client.headers["Authorization"] = f"Bearer {key}"
            yield services

    def run(self, *arguments: str) -> str:
        """A command to its end; what it printed."""
        done = self.place.run(*arguments)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout

    def spent(self, *, settled: bool = False) -> Spent:
        """What all have spent up to now. settled: nobody works, so wait until all has been told."""
        now = Spent(
            time.monotonic(),
            sum(read_cpu_s(process.pid) for process in self.running),
            read_cpu_s(self.postmaster) if self.postmaster else 0.0,
            0.0,
        )
        if self.postmaster is None:
            return now
        if settled:
            time.sleep(_TOLD_AFTER_S)
        query = text("SELECT sum(active_time) / 1000 FROM pg_stat_database")
        with self.database.read_scope() as session:
            return replace(now, waited_s=float(session.execute(query).scalar_one()))

    def count_jobs(self) -> Mapping[str, int]:
        """How many are in which state."""
        query = select(JobRow.state, func.count()).group_by(JobRow.state)
        with self.database.read_scope() as session:
            return dict(session.execute(query).tuples().all())

    def count_workers(self) -> int:
        """How many workers have made a document searchable."""
        query = select(func.count(JobRow.worker_id.distinct()))
        with self.database.read_scope() as session:
            return session.scalars(query.where(JobRow.state == "searchable")).one()

    def wait_for_jobs(self) -> None:
        """Wait until all are done. Raises `RuntimeError` where one came to nothing."""
        deadline = time.monotonic() + _DONE_WITHIN_S
        while any(states := [each for each in self.count_jobs() if each in OPEN_STATES]):
            if time.monotonic() > deadline:
                raise TimeoutError(f"jobs are still {states}; see {self._log}")
            time.sleep(0.1)
        if set(self.count_jobs()) != {"searchable"}:
            raise RuntimeError(f"not every job was done: {self.count_jobs()}; see {self._log}")

    @property
    def _log(self) -> Path:
        return self.place.data_dir / "processes.log"

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        self.running.remove(process)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_ENDS_WITHIN_S)
            return
        process.kill()
        process.wait()


@contextmanager
def ground(
    folder: Path, models_dir: Path, generation_url: str, *, sqlite: bool
) -> Iterator[Ground]:
    """A new truth below the folder, on a server of its own where it is PostgreSQL."""
    folder.mkdir()
    with database_url(folder, sqlite=sqlite) as url:
        data_dir = folder / "data"
        data_dir.mkdir()
        settings = settings_of([generation_url])
        if url:
            settings["CIMIENTO_DATABASE__URL"] = url
        database = Database(url or f"sqlite:///{data_dir / 'cimiento.db'}")
        told = folder / "postgresql" / "postmaster.pid"
        postmaster = int(told.read_text("utf-8").split()[0]) if url else None
        made = Ground(Place(data_dir, models_dir, free_port(), settings), database, postmaster)
        try:
            made.run("db", "upgrade")
            yield made
        finally:
            database.close()


@contextmanager
def writing(folder: Path, models_dir: Path) -> Iterator[str]:
    """The address of a generation worker: without one no API is ready. It is asked for nothing."""
    port = free_port()
    place = Place(folder, models_dir, port, settings_of([f"http://127.0.0.1:{port}"]))
    process = start(place, folder / "generate.log", "worker", "generate", "--port", str(port))
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(_ENDS_WITHIN_S)
