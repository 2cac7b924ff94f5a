"""Two of every process over one truth, killed and started again; what was promised meanwhile."""

import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import httpx2
from sqlalchemy import func, select

from app.people.credentials import NewKey
from app.people.doors import Doors
from benchmarks.crash_documents import find_originals
from benchmarks.crash_ledger import Ledger, Promise
from benchmarks.crash_processes import KilledProcess, serve, wait_until_listening, work, write
from benchmarks.crash_truth import Truth
from benchmarks.crash_uploads import Uploader
from benchmarks.kill_clients import Client, Seen
from core.answer_tables import AnswerRow, RunningAnswerRow
from core.settings import load_settings
from core.tables import CollectionRow, DocumentRow, VersionRow
from ingestion.collections import Collections
from ingestion.jobs import Job

COLLECTIONS: Final = ("north", "south")
NUM_EACH: Final = 2
"""Processes of each role."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of what."""

    minutes: float
    every_s: float
    num_documents: int
    num_askers: int


@dataclass(frozen=True, slots=True)
class Tenant:
    """One collection, who may see it, and what it was promised."""

    collection: str
    key: str
    seed: int
    ledger: Ledger


class Fleet:
    """Two of every process, their one truth, and the clients."""

    def __init__(self, plan: Plan, *, data: list[Path], seed: int) -> None:
        self.plan = plan
        self.seen = Seen()
        self.kills: Counter[str] = Counter()
        self.settings = load_settings()
        self.truth = Truth(self.settings)
        self.database = self.truth.database
        self.rng = random.Random(seed)  # noqa: S311 - the same run again, no secret
        self.tenants = [
            self._tenant(name, data, seed + number) for number, name in enumerate(COLLECTIONS)
        ]
        self.uploaders: dict[str, Uploader] = {}
        self.stopping = threading.Event()

    def _tenant(self, name: str, data: list[Path], seed: int) -> Tenant:
        originals = find_originals(data, self.plan.num_documents, seed=seed)
        Collections(self.truth.store).create(name)
        doors = Doors.of(self.settings, self.database)
        _, key = doors.credentials.create(NewKey(name, [name]))
        return Tenant(name, key, seed, Ledger({each.name: Promise(each) for each in originals}))

    def start(self, ports: Mapping[str, list[int]]) -> None:
        """Start everything, and wait until everybody answers."""
        log = self.settings.data_dir / "processes.log"
        targets: dict[str, Callable[..., None]] = {"api": serve, "generate": write}
        self.processes = [
            (role, KilledProcess(targets[role], port, log=log))
            for role, listed in ports.items()
            for port in listed
        ]
        self.processes += [("ingest", KilledProcess(work, log=log)) for _ in range(NUM_EACH)]
        self.urls = [f"http://127.0.0.1:{port}" for port in ports["api"]]
        for _, process in self.processes:
            process.start()
        for url in self.urls:
            with httpx2.Client(base_url=url) as client:
                wait_until_listening(client)

    def client(self, tenant: Tenant) -> Client:
        """One more client of a collection."""
        return Client(
            self.urls,
            tenant.key,
            tenant.ledger,
            self.seen,
            collection=tenant.collection,
            seed=tenant.seed,
        )

    def fill(self) -> None:
        """Add every document undisturbed, and leave out what cannot be read at all."""
        for tenant in self.tenants:
            client = self.client(tenant)
            # one to the end: no marker is ever given twice
            uploader = self.uploaders[tenant.collection] = self._uploader(client, tenant)
            for name, promise in tenant.ledger.promises.items():
                uploader.upload(name, promise)
            self.truth.wait_for_jobs()
            for job in self.truth.failed_jobs():
                uploader.delete(job.document_name)
                del tenant.ledger.promises[job.document_name]
            client.ask()
        # what was asked so far was asked of a service that starts
        self.seen.counts.clear()
        self.seen.seconds.clear()

    def run(self) -> None:
        """Load and kills, for as long as planned."""
        threads = []
        for tenant in self.tenants:
            works = [self._upload, self._search, *[self._ask] * self.plan.num_askers]
            threads += [threading.Thread(target=self._go_on, args=(each, tenant)) for each in works]
        for thread in threads:
            thread.start()
        until_s = time.monotonic() + self.plan.minutes * 60
        while (left_s := until_s - time.monotonic()) > 0:
            time.sleep(min(left_s, self.plan.every_s))
            if left_s > self.plan.every_s:
                self._kill()
        self.stopping.set()
        for thread in threads:
            thread.join()

    def _kill(self) -> None:
        for role, process in self.processes:
            if not process.is_alive:
                # given up while it stood still: its service manager starts it again
                self.kills[f"{role}_ended"] += 1
                process.start()
        role, process = self.rng.choice(self.processes)
        process.kill()
        self.kills[role] += 1
        print(f"killed {role}, {len(self.seen.faults)} faults", file=sys.stderr)
        process.start()

    def _go_on(self, act: Callable[[Client, Tenant], None], tenant: Tenant) -> None:
        client = self.client(tenant)
        try:
            act(client, tenant)
        except Exception as error:  # noqa: BLE001 - a client that ends saw nothing, not no fault
            self.seen.blame(f"a client of {tenant.collection} ended: {error!r}")
        finally:
            client.close()

    def _upload(self, _client: Client, tenant: Tenant) -> None:
        uploader = self.uploaders[tenant.collection]
        while not self.stopping.wait(0.5):
            if self.truth.is_behind():
                continue
            try:
                uploader.act()
            except httpx2.TransportError:
                # given up: whichever of both stands is right
                tenant.ledger.settle(self.truth.newest(tenant.collection))
        with self.seen.lock:
            self.seen.counts += uploader.counts

    def _search(self, client: Client, _tenant: Tenant) -> None:
        while not self.stopping.wait(0.5):
            with suppress(httpx2.TransportError):
                client.search()

    def _ask(self, client: Client, _tenant: Tenant) -> None:
        while not self.stopping.wait(0.1):
            client.ask()

    def _uploader(self, client: Client, tenant: Tenant) -> Uploader:
        return Uploader(
            client.request,
            tenant.ledger,
            partial(self.truth.find_id, collection=tenant.collection),
            seed=tenant.seed,
            collection=tenant.collection,
        )

    def finish(self) -> None:
        """Let the work be done, and hold everything against what was promised."""
        for _, process in self.processes:
            if not process.is_alive:
                process.start()
        with self._owner() as owner:

            def retry(job: Job) -> None:
                self.seen.count(job.error.code if job.error else "failed")
                owner.post(f"/v1/jobs/{job.id}/retry").raise_for_status()

            self.truth.finish_jobs(retry)
        for tenant in self.tenants:
            self._settle(tenant)
        self._check_answers()
        for found in self.truth.verify(alone=False):
            self.seen.blame(found)

    @contextmanager
    def _owner(self) -> Iterator[httpx2.Client]:
        """A client that may do everything."""
        _, key = Doors.of(self.settings, self.database).credentials.create_key("owner")
        headers = {"Authorization": f"Bearer {key}"}
        with httpx2.Client(base_url=self.urls[0], headers=headers, timeout=60) as client:
            # it may have been killed a moment ago
            wait_until_listening(client)
            yield client

    def _settle(self, tenant: Tenant) -> None:
        tenant.ledger.settle(self.truth.newest(tenant.collection))
        promised = sum(each.sha256 is not None for each in tenant.ledger.promises.values())
        query = (
            select(VersionRow.state, func.count())
            .join(DocumentRow, DocumentRow.id == VersionRow.document_id)
            .join(CollectionRow, CollectionRow.id == DocumentRow.collection_id)
            .where(CollectionRow.name == tenant.collection)
            .group_by(VersionRow.state)
        )
        with self.database.read_scope() as session:
            states = dict(session.execute(query).all())
        if states != {"searchable": promised}:
            self.seen.blame(f"{promised} versions were promised, there are {states}")
        self.seen.counts["documents"] += promised
        self.seen.faults += tenant.ledger.faults

    def _check_answers(self) -> None:
        """Every accepted question has one last event, and the truth says the same of it."""
        with self.database.read_scope() as session:
            kept = dict(session.execute(select(AnswerRow.id, AnswerRow.status)).all())
            num_running = session.scalar(select(func.count()).select_from(RunningAnswerRow))
        self.seen.counts["accepted"] = len(self.seen.ends)
        for answer_id, ends in self.seen.ends.items():
            if len(ends) != 1:
                self.seen.blame(f"{answer_id} ended {len(ends)} times: {ends}")
            is_failed = kept.get(answer_id) == "failed"
            if answer_id not in kept or is_failed != (ends[0] == "error"):
                self.seen.blame(f"{answer_id} ended with {ends[0]}, kept is {kept.get(answer_id)}")
        if num_running:
            self.seen.blame(f"{num_running} answers are still entered as running")

    def take_down(self) -> None:
        """End everything."""
        for _, process in self.processes:
            process.stop()
        self.truth.queue.close()
        self.database.close()
