"""Many who wait and many who search: 500 idle event streams, 200 searches a second.

    python -m benchmarks.load [--quick] [--json FILE] [--data FOLDER]
                              [--rate 200] [--seconds 120] [--streams 500] [--processes N]

The HTTP application with its own models, in a process without an ingestion worker, so that an
upload stays queued and whoever follows it waits. With more than one of `--processes` it is
`cimiento serve --role api --processes N`, beside a generation worker that is asked for nothing.
Searches begin at their appointed moments whether or not earlier ones have ended, and their time is
counted from those moments: a server that falls behind is seen to. What is not answered within ten
seconds, or would be the 501st under way, counts as late, so that the run ends: two rounds of
`--seconds`, each with a minute at most for the last ones, and the time that the documents take
before. `rate_reached` counts what was in time.

`different_`: no question is asked twice. `repeated_`: an assumption, not a measurement, of how
people ask: half of the searches are new, half are one of 1,000 common questions, the r-th of them
1/r times as often as the first. Overhead is what a lone search takes at its caller, less what the
service says that model and index took (`timings.retrieve_ms`). `cpu_ms` is the processor time of
the service for one search, which says more than the clock where other work runs beside it;
`client_cpu_ms` that of whoever asks here, on the same processor. Exit code 1 where anything failed,
was late or came without passages.
"""

import argparse
import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final

import httpx2
import numpy as np

from benchmarks.cpu import find_family, read_cpu_s
from benchmarks.crash_processes import wait_until_listening
from benchmarks.ingestion import Plan, choose_files
from benchmarks.load_traffic import (
    HOST,
    Connection,
    Searched,
    build_request,
    build_search,
    different_questions,
    repeated_questions,
    search_at_rate,
)
from benchmarks.memory import read_rss_bytes
from benchmarks.processes_place import writing
from benchmarks.report import build_manifest, report
from core.settings import load_settings
from tests.e2e.service import Place, start
from tests.ports import free_port

_SERVE: Final = "from benchmarks.crash_processes import serve; import sys; serve(int(sys.argv[1]))"
_WARM_UP: Final = 20
_OPENED_AT_ONCE: Final = 25
# For what does not depend on how fast searches are.
_PATIENCE_S: Final = 120.0
_MIXES: Final = {"different": different_questions, "repeated": repeated_questions}


@dataclass(frozen=True, slots=True)
class Load:
    """How much of what. `num_alone` searches, one after the other, tell the overhead."""

    num_documents: int
    num_streams: int
    rate: float
    seconds: float
    num_alone: int


FULL: Final = Load(num_documents=60, num_streams=500, rate=200, seconds=120, num_alone=400)
QUICK: Final = Load(num_documents=5, num_streams=50, rate=20, seconds=5, num_alone=40)


@dataclass(slots=True)
class Seen:
    """What came of it."""

    retrieve_ms: list[float] = field(default_factory=list)
    overhead_ms: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    num_streams_lost: int = 0
    rss_bytes: list[int] = field(default_factory=list)
    searched: dict[str, Searched] = field(default_factory=dict)
    cpu_ms: dict[str, float] = field(default_factory=dict)
    client_cpu_ms: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Server:
    """A running service, and what its callers send."""

    process: "subprocess.Popen[bytes]"
    port: int
    key: str
    job_id: str

    def searches(self, questions: Iterator[str], number: int) -> list[bytes]:
        """So many searches."""
        return [
            build_search(self.port, self.key, question) for question in islice(questions, number)
        ]

    def cpu_s(self) -> float:
        """Processor time that the service has taken so far."""
        return read_cpu_s(self.process.pid)


async def measure(server: Server, files: Sequence[Path], load: Load) -> Seen:
    """Everything, in its order."""
    seen = Seen()
    await _ask_alone(server, server.searches(different_questions(files), load.num_alone), seen)
    streams = await _open_streams(server, load, seen)
    watching = asyncio.create_task(_watch_memory(server, seen))
    for mix, questions in _MIXES.items():
        searches = server.searches(questions(files), int(load.rate * load.seconds))
        begin_s, client_begin_s = server.cpu_s(), time.process_time()
        seen.searched[mix] = await search_at_rate(server.port, searches, load.rate)
        seen.cpu_ms[mix] = 1000 * (server.cpu_s() - begin_s) / len(searches)
        client_s = time.process_time() - client_begin_s
        seen.client_cpu_ms[mix] = 1000 * client_s / len(searches)
        seen.errors += seen.searched[mix].errors
    watching.cancel()
    for stream in streams:
        seen.num_streams_lost += stream.done()
        stream.cancel()
    await asyncio.gather(*streams, return_exceptions=True)
    return seen


async def _ask_alone(server: Server, searches: list[bytes], seen: Seen) -> None:
    connection = await Connection.open(server.port)
    for request in [*searches[:_WARM_UP], *searches]:
        started_s = time.perf_counter()
        body = await connection.ask(request)
        took_ms = (time.perf_counter() - started_s) * 1000
        seen.retrieve_ms.append(body["timings"]["retrieve_ms"])
        seen.overhead_ms.append(took_ms - body["timings"]["retrieve_ms"])
    connection.close()
    del seen.retrieve_ms[:_WARM_UP], seen.overhead_ms[:_WARM_UP]


async def _open_streams(server: Server, load: Load, seen: Seen) -> list["asyncio.Task[None]"]:
    """People who follow a job that does not move."""
    path = f"/v1/jobs/{server.job_id}/events"
    request = build_request(server.port, server.key, "GET", path)
    gate = asyncio.Semaphore(_OPENED_AT_ONCE)
    begun = [asyncio.Event() for _ in range(load.num_streams)]

    async def follow(has_begun: asyncio.Event) -> None:
        connection = None
        try:
            async with gate:
                connection = await Connection.open(server.port)
            await connection.follow(request, begun=has_begun)
        except (OSError, asyncio.IncompleteReadError) as error:
            seen.errors.append(f"stream: {error!r}")
        finally:
            has_begun.set()
            if connection is not None:
                connection.close()

    tasks = [asyncio.create_task(follow(each)) for each in begun]
    async with asyncio.timeout(_PATIENCE_S):
        for each in begun:
            await each.wait()
    return tasks


async def _watch_memory(server: Server, seen: Seen) -> None:
    while True:
        family = find_family(server.process.pid)
        seen.rss_bytes.append(sum(read_rss_bytes(pid) for pid in family))
        await asyncio.sleep(1.0)


@contextmanager
def serving(place: Place, files: Sequence[Path], num_processes: int) -> Iterator[Server]:
    """The service with these documents, and one more that nobody works on."""
    place.data_dir.mkdir(parents=True, exist_ok=True)
    _check(place.run("add", *map(str, files)))
    key = _check(place.run("keys", "create", "load")).strip()
    with _started(place, num_processes) as process:
        try:
            headers = {"Authorization": f"Bearer {key}"}
            base_url = f"http://{HOST}:{place.port}"
            with httpx2.Client(base_url=base_url, headers=headers, timeout=120) as client:
                wait_until_listening(client)
                _wait_until_ready(client)
                path = "/v1/collections/default/documents"
                job = client.post(path, files={"file": ("waits.md", b"# Waits\n\nFor ever.")})
                yield Server(process, place.port, key, job.json()["job_id"])
        finally:
            process.terminate()


@contextmanager
def _started(place: Place, num_processes: int) -> "Iterator[subprocess.Popen[bytes]]":
    log = place.data_dir / "serve.log"
    if num_processes > 1:
        with writing(place.data_dir, place.models_dir) as url:
            asked = replace(place, more={"CIMIENTO_GENERATION__URL": url})
            told = ("--role", "api", "--processes", str(num_processes))
            with start(asked, log, "serve", *told) as process:
                yield process
        return
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(place.port)],
            env=place.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        yield process


def _wait_until_ready(client: httpx2.Client) -> None:
    """Models load in the background, and would count as work for searches."""
    deadline = time.monotonic() + _PATIENCE_S
    while client.get("/health/ready").status_code != httpx2.codes.OK:
        if time.monotonic() > deadline:
            raise TimeoutError("the service was not ready; see its log in the data folder")
        time.sleep(0.1)


def _check(done: "subprocess.CompletedProcess[str]") -> str:
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def figures_of(seen: Seen, load: Load) -> dict[str, float]:
    """What is told of it."""
    quarter = max(1, len(seen.rss_bytes) // 4)
    figures = {
        "num_streams": float(load.num_streams),
        "num_streams_lost": float(seen.num_streams_lost),
        "num_errors": float(len(seen.errors)),
        "rate_wanted": load.rate,
        "alone_retrieve_p50_ms": float(np.median(seen.retrieve_ms)),
        "overhead_p50_ms": float(np.median(seen.overhead_ms)),
        "overhead_p95_ms": float(np.percentile(seen.overhead_ms, 95)),
        # steady memory: the last quarter of the time beside the second
        "rss_bytes": float(np.mean(seen.rss_bytes[-quarter:])),
        "ratio_rss_last_vs_second_quarter": float(
            np.mean(seen.rss_bytes[-quarter:]) / np.mean(seen.rss_bytes[quarter : 2 * quarter])
        ),
    }
    for mix, searched in seen.searched.items():
        p50, p95, p99 = np.percentile(searched.seconds or [float("nan")], (50, 95, 99)) * 1000
        figures |= {
            f"{mix}_num_searches": float(searched.num_planned),
            f"{mix}_num_late": float(searched.num_late),
            f"{mix}_num_reopened": float(searched.num_reopened),
            f"{mix}_rate_reached": searched.num_answered / load.seconds,
            f"{mix}_p50_ms": float(p50),
            f"{mix}_p95_ms": float(p95),
            f"{mix}_p99_ms": float(p99),
            f"{mix}_cpu_ms": seen.cpu_ms[mix],
            f"{mix}_client_cpu_ms": seen.client_cpu_ms[mix],
        }
    return figures


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load")
    parser.add_argument("--quick", action="store_true", help="a few of each: does it run at all")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--data", type=Path, help="folder with squad_en/; else our own pages")
    parser.add_argument("--processes", type=int, default=1, help="that serve the address")
    for name in ("rate", "seconds", "streams"):
        parser.add_argument(f"--{name}", type=float, help="instead of the usual")
    options = parser.parse_args()
    usual = QUICK if options.quick else FULL
    load = replace(
        usual,
        num_streams=int(usual.num_streams if options.streams is None else options.streams),
        rate=options.rate or usual.rate,
        seconds=options.seconds or usual.seconds,
    )
    # what is given up leaves a connection behind on either side
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    files = choose_files(options.data, Plan(load.num_documents, num_texts=0, num_rounds=0))
    with tempfile.TemporaryDirectory() as name:
        place = Place(Path(name), load_settings().models_dir, free_port())
        with serving(place, files, options.processes) as server:
            seen = asyncio.run(measure(server, files, load))
    settings = {
        "documents": len(files),
        "rate": load.rate,
        "seconds": load.seconds,
        "processes": options.processes,
    }
    report(figures_of(seen, load), build_manifest("load", settings), json_path=options.json)
    for error in seen.errors[:10]:
        print(error, file=sys.stderr)
    is_late = any(searched.num_late for searched in seen.searched.values())
    sys.exit(1 if seen.errors or seen.num_streams_lost or is_late else 0)


if __name__ == "__main__":
    main()
