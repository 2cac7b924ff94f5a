"""kill -9 at random moments while documents are added, replaced and deleted; then count the losses.

Workers and the HTTP service are killed and started again; after every start the service is asked
for everything that was promised and for everything that was deleted, and `cimiento verify` looks at
the whole. At the end the work is done, and compared with the same work done undisturbed.

    python -m benchmarks.crash_matrix [--quick] [--kills N] [--workers N] [--data FOLDER]...
"""

import argparse
import math
import os
import random
import secrets
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Final

import httpx2
from sqlalchemy import select

from app.people.doors import Doors
from benchmarks.crash_documents import Original, find_originals
from benchmarks.crash_ledger import Ledger, Promise
from benchmarks.crash_processes import KilledProcess, prepare, serve, wait_until_listening, work
from benchmarks.crash_truth import Truth
from benchmarks.crash_uploads import Uploader
from benchmarks.report import build_manifest, report
from core.settings import load_settings
from core.tables import ChunkRow, VersionRow
from ingestion.jobs import Job
from tests.ports import free_port

_MAX_MOMENT_S: Final = 2.5
_PROBES: Final = 6
_TARGETS: Final = ("worker", "worker", "worker", "service", "both")


class Matrix:
    """One data folder, the processes that work on it, and what they were asked to do."""

    def __init__(self, originals: list[Original], *, workers: int, seed: int) -> None:
        self.settings = load_settings()
        self.data_dir = self.settings.data_dir
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.rng = random.Random(seed)  # noqa: S311 - the same run again, no secret
        self.ledger = Ledger({each.name: Promise(each) for each in originals})
        self.counts: Counter[str] = Counter()
        self.truth = Truth(self.settings)
        self.database = self.truth.database
        port = free_port()
        _, key = Doors.of(self.settings, self.database).credentials.create_key("crash matrix")
        self.client = httpx2.Client(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {key}"},
            timeout=120,
        )
        self.uploader = Uploader(self.client.request, self.ledger, self.truth.find_id, seed=seed)
        log = self.data_dir / "processes.log"
        self.service = KilledProcess(serve, port, log=log)
        self.workers = [KilledProcess(work, log=log) for _ in range(workers)]

    def start(self) -> None:
        """Start everything."""
        for process in (self.service, *self.workers):
            process.start()
        wait_until_listening(self.client)

    def fill(self) -> None:
        """Add every document undisturbed, and leave out what cannot be read at all."""
        for name, promise in self.ledger.promises.items():
            self.uploader.upload(name, promise)
        self.truth.wait_for_jobs()
        for job in self.truth.failed_jobs():
            self.uploader.delete(job.document_name)
            del self.ledger.promises[job.document_name]
            self.counts["unreadable"] += 1

    def round(self) -> None:
        """Work until a random moment, kill at it, start again, look at everything."""
        target = self.rng.choice(_TARGETS)
        victims = [self.service] if target != "worker" else []
        if target != "service":
            victims += self.rng.sample(self.workers, self.rng.randint(1, len(self.workers)))
        kill = threading.Timer(self.rng.uniform(0.0, _MAX_MOMENT_S), _kill_all, [victims])
        kill.start()
        while kill.is_alive() and self.ledger.attempted is None:
            self.act()
        kill.join()
        self.counts[f"killed_{target}"] += 1
        for victim in victims:
            victim.start()
        wait_until_listening(self.client)
        self.look()

    def act(self) -> None:
        """Change one document, as a client does."""
        if self.truth.is_behind():
            time.sleep(0.02)
            return
        try:
            self.uploader.act()
        except httpx2.TransportError:
            self.counts["cut_off"] += 1
        time.sleep(self.rng.uniform(0.0, 0.1))

    def look(self) -> None:
        """After a start: what was promised is there, what was deleted is not, nothing is left."""
        self.ledger.settle(self.truth.newest())
        self.count_dead(self.ledger.dead)
        probes = self.rng.sample(self.ledger.dead, min(_PROBES, len(self.ledger.dead)))
        for marker in {*probes, *self.ledger.dead[-_PROBES:]}:
            self._ask_for(marker)
        self.verify(alone=False)

    def count_dead(self, markers: list[str]) -> None:
        """Count the markers that a row still says, searchable or not."""
        with self.database.read_scope() as session:
            text = "\n".join(session.scalars(select(ChunkRow.text)))
        for marker in markers:
            if marker in text:
                self.ledger.faults.append(f"the deleted {marker} is in a chunk")
                self.counts["deleted_rows"] += 1

    def _ask_for(self, marker: str) -> None:
        query = {"query": f"The word of this version is {marker}.", "top_k": 20}
        response = self.client.post("/v1/search", json=query)
        response.raise_for_status()
        self.counts["searches"] += 1
        if any(marker in passage["text"] for passage in response.json()["passages"]):
            self.ledger.faults.append(f"the deleted {marker} was found")
            self.counts["deleted_answered"] += 1

    def verify(self, *, alone: bool) -> None:
        """What `cimiento verify` finds."""
        found = self.truth.verify(alone=alone)
        self.counts["orphans"] += len(found)
        self.ledger.faults += found

    def finish(self) -> None:
        """Let the work be done, and look at the whole."""
        self.truth.finish_jobs(self._retry)
        self.look()
        self.count_dead(self.ledger.replaced)
        for marker in (*self.ledger.dead, *self.ledger.replaced):
            self._ask_for(marker)
        self._count_versions()

    def _retry(self, job: Job) -> None:
        self.counts[job.error.code if job.error else "failed"] += 1
        self.client.post(f"/v1/jobs/{job.id}/retry").raise_for_status()

    def _count_versions(self) -> None:
        with self.database.read_scope() as session:
            states = Counter(session.scalars(select(VersionRow.state)))
        promised = sum(each.sha256 is not None for each in self.ledger.promises.values())
        if states != Counter(searchable=promised):
            self.ledger.faults.append(f"{promised} versions were promised, there are {states}")

    def take_down(self) -> None:
        """End everything, verify what is left, and look for deleted words in every byte of it."""
        for process in (*self.workers, self.service):
            process.stop()
        self.verify(alone=True)
        for workflow in self.truth.queue.list_workflows(ended_only=False):
            self.ledger.faults.append(f"the durable workflow {workflow} was not forgotten")
        self.client.close()
        self.truth.queue.close()
        self.counts["deleted_text_before_compaction"] = len(self._files_that_say_deleted())
        self.database.compact()
        self.database.close()
        for path, marker in self._files_that_say_deleted():
            self.ledger.faults.append(f"{path.name} still says {marker}")
            self.counts["files_with_deleted_text"] += 1

    def _files_that_say_deleted(self) -> list[tuple[Path, str]]:
        """Every file below the data folder with each deleted word that is in its bytes."""
        return [
            (path, marker)
            for path in self.data_dir.rglob("*")
            if path.is_file()
            for data in [path.read_bytes()]
            for marker in (*self.ledger.dead, *self.ledger.replaced)
            if marker.encode() in data
        ]


def _kill_all(victims: list[KilledProcess]) -> None:
    for victim in victims:
        victim.kill()


def main() -> None:
    """Run the matrix; exit code 1 where anything was lost, doubled, left or found again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="12 kills over 10 built documents")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--max-s", type=float, default=math.inf, help="kill no more after that")
    parser.add_argument("--documents", type=int, default=50)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10_000))
    parser.add_argument("--data", type=Path, action="append", default=[], help="real documents")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.quick:
        options.kills, options.documents = 12, 10
    originals = find_originals(options.data, options.documents, seed=options.seed)
    root = Path(tempfile.mkdtemp(prefix="crash-matrix-"))
    models = load_settings().models_dir
    # The processes are the real commands, which read their environment.
    os.environ |= {  # noqa: TID251 - passed on to the processes it starts
        "CIMIENTO_DATA_DIR": str(root / "data"),
        "CIMIENTO_MODELS__DIR": str(models),
        "CIMIENTO_LOG__LEVEL": "warning",
    }
    prepare()
    matrix = Matrix(originals, workers=options.workers, seed=options.seed)
    started = time.monotonic()
    try:
        matrix.start()
        matrix.fill()
        for number in range(options.kills):
            if time.monotonic() - started > options.max_s:
                break
            matrix.round()
            print(f"{number + 1} kills, {len(matrix.ledger.faults)} faults", file=sys.stderr)
        matrix.finish()
    except BaseException:
        _kill_all([*matrix.workers, matrix.service])
        print(f"the data folder is kept: {root}")
        raise
    matrix.take_down()
    figures = _figures(matrix) | {"seconds": time.monotonic() - started}
    settings = {"seed": options.seed, "workers": options.workers, "documents": len(originals)}
    report(figures, build_manifest("crash_matrix", settings), json_path=options.json)
    for fault in matrix.ledger.faults:
        print(f"FAULT  {fault}")
    if matrix.ledger.faults:
        print(f"the data folder is kept: {root}")
        raise SystemExit(1)
    shutil.rmtree(root)


def _figures(matrix: Matrix) -> dict[str, float]:
    always = ("orphans", "deleted_rows", "deleted_answered", "files_with_deleted_text")
    counts = dict.fromkeys(always, 0) | matrix.counts | matrix.uploader.counts
    return {
        "kills": float(sum(matrix.counts[f"killed_{target}"] for target in set(_TARGETS))),
        "documents": float(len(matrix.ledger.promises)),
        "faults": float(len(matrix.ledger.faults)),
        **{name: float(count) for name, count in sorted(counts.items())},
    }


if __name__ == "__main__":
    main()
