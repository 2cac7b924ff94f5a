"""Many who wait and many who search: 500 idle event streams, 200 searches a second.

    python -m benchmarks.load [--quick] [--json FILE] [--data FOLDER]
                              [--rate 200] [--seconds 120] [--streams 500]

The HTTP application with its own models, in a process without an ingestion worker, so that an
upload stays queued and whoever follows it waits. Searches begin at their appointed moments whether
or not earlier ones have ended, and their time is counted from those moments: a server that falls
behind is seen to. Overhead is what a lone search takes at its caller, less what the service says
that model and index took (`timings.retrieve_ms`). Exit code 1 where anything failed.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final, Self

import httpx2
import numpy as np

from benchmarks.crash_processes import wait_until_listening
from benchmarks.ingestion import Plan, choose_files
from benchmarks.memory import read_rss_bytes
from benchmarks.report import build_manifest, report
from core.settings import load_settings
from tests.e2e.service import Place
from tests.ports import free_port

_SERVE: Final = "from benchmarks.crash_processes import serve; import sys; serve(int(sys.argv[1]))"
_HOST: Final = "127.0.0.1"
_WARM_UP: Final = 20
_OPENED_AT_ONCE: Final = 25


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

    seconds: list[float] = field(default_factory=list)
    retrieve_ms: list[float] = field(default_factory=list)
    overhead_ms: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    num_streams_lost: int = 0
    rss_bytes: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Server:
    """A running service, and what its callers send."""

    process: "subprocess.Popen[bytes]"
    port: int
    key: str
    job_id: str

    def request(self, method: str, path: str, body: object = None) -> bytes:
        """A request as it goes over the wire; its connection stays open."""
        content = b"" if body is None else json.dumps(body).encode()
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {_HOST}:{self.port}",
            f"Authorization: Bearer {self.key}",
            "Content-Type: application/json",
            f"Content-Length: {len(content)}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + content


class Connection:
    """One kept-alive connection: a client that costs the machine next to nothing."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect."""
        return cls(*await asyncio.open_connection(_HOST, port))

    async def ask(self, request: bytes) -> dict[str, Any]:
        """Send a request and read its JSON. Raises `OSError` for any status but 200."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines if line)
        content = await self._reader.readexactly(int(headers["content-length"]))
        if status.split()[1] != "200":
            raise OSError(f"{status}: {content[:200]!r}")
        body: dict[str, Any] = json.loads(content)
        return body

    async def follow(self, request: bytes) -> None:
        """Send a request and read its events until the server ends them."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.partition(b"\r\n")[0]:
            raise OSError(head[:200])
        while await self._reader.read(4096):
            pass

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


async def measure(server: Server, questions: Sequence[str], load: Load) -> Seen:
    """Everything, in its order."""
    seen = Seen()
    searches = [server.request("POST", "/v1/search", {"query": question}) for question in questions]
    await _ask_alone(server, searches, load, seen)
    streams = await _open_streams(server, load, seen)
    watching = asyncio.create_task(_watch_memory(server, seen))
    await _ask_at_rate(server, searches, load, seen)
    watching.cancel()
    for stream in streams:
        seen.num_streams_lost += stream.done()
        stream.cancel()
    await asyncio.gather(*streams, return_exceptions=True)
    return seen


async def _ask_alone(server: Server, searches: list[bytes], load: Load, seen: Seen) -> None:
    connection = await Connection.open(server.port)
    for number, request in enumerate(islice(cycle(searches), _WARM_UP + load.num_alone)):
        started_s = time.perf_counter()
        body = await connection.ask(request)
        took_ms = (time.perf_counter() - started_s) * 1000
        if number >= _WARM_UP:
            seen.retrieve_ms.append(body["timings"]["retrieve_ms"])
            seen.overhead_ms.append(took_ms - body["timings"]["retrieve_ms"])
    connection.close()


async def _open_streams(server: Server, load: Load, seen: Seen) -> list["asyncio.Task[None]"]:
    """People who follow a job that does not move."""
    request = server.request("GET", f"/v1/jobs/{server.job_id}/events")
    gate = asyncio.Semaphore(_OPENED_AT_ONCE)

    async def follow() -> None:
        async with gate:
            connection = await Connection.open(server.port)
        try:
            await connection.follow(request)
        except OSError as error:
            seen.errors.append(f"stream: {error}")
        finally:
            connection.close()

    tasks = [asyncio.create_task(follow()) for _ in range(load.num_streams)]
    await asyncio.sleep(2.0)
    return tasks


async def _ask_at_rate(server: Server, searches: list[bytes], load: Load, seen: Seen) -> None:
    idle: list[Connection] = []
    loop = asyncio.get_running_loop()
    begin_s = loop.time()

    async def ask(request: bytes, due_s: float) -> None:
        try:
            connection = idle.pop() if idle else await Connection.open(server.port)
            await connection.ask(request)
        except (OSError, asyncio.IncompleteReadError) as error:
            seen.errors.append(f"search: {error}")
        else:
            seen.seconds.append(loop.time() - due_s)
            idle.append(connection)

    tasks = []
    for number, request in enumerate(islice(cycle(searches), int(load.rate * load.seconds))):
        due_s = begin_s + number / load.rate
        await asyncio.sleep(max(0.0, due_s - loop.time()))
        tasks.append(asyncio.create_task(ask(request, due_s)))
    await asyncio.gather(*tasks)
    for connection in idle:
        connection.close()


async def _watch_memory(server: Server, seen: Seen) -> None:
    while True:
        seen.rss_bytes.append(read_rss_bytes(server.process.pid))
        await asyncio.sleep(1.0)


@contextmanager
def serving(place: Place, files: Sequence[Path]) -> Iterator[Server]:
    """The service with these documents, and one more that nobody works on."""
    place.data_dir.mkdir(parents=True, exist_ok=True)
    _check(place.run("add", *map(str, files)))
    key = _check(place.run("keys", "create", "load")).strip()
    log = place.data_dir / "serve.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(place.port)],
            env=place.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            headers = {"Authorization": f"Bearer {key}"}
            base_url = f"http://{_HOST}:{place.port}"
            with httpx2.Client(base_url=base_url, headers=headers, timeout=120) as client:
                wait_until_listening(client)
                path = "/v1/collections/default/documents"
                job = client.post(path, files={"file": ("waits.md", b"# Waits\n\nFor ever.")})
                yield Server(process, place.port, key, job.json()["job_id"])
        finally:
            process.terminate()


def _check(done: "subprocess.CompletedProcess[str]") -> str:
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def figures_of(seen: Seen, load: Load) -> dict[str, float]:
    """What is told of it."""
    p50, p95, p99 = np.percentile(seen.seconds or [float("nan")], (50, 95, 99)) * 1000
    quarter = max(1, len(seen.rss_bytes) // 4)
    return {
        "num_streams": float(load.num_streams),
        "num_streams_lost": float(seen.num_streams_lost),
        "num_searches": float(len(seen.seconds)),
        "num_errors": float(len(seen.errors)),
        "p50_ms": float(p50),
        "p95_ms": float(p95),
        "p99_ms": float(p99),
        "alone_retrieve_p50_ms": float(np.median(seen.retrieve_ms)),
        "overhead_p50_ms": float(np.median(seen.overhead_ms)),
        "overhead_p95_ms": float(np.percentile(seen.overhead_ms, 95)),
        # steady memory: the last quarter of the time beside the second
        "rss_bytes": float(np.mean(seen.rss_bytes[-quarter:])),
        "ratio_rss_last_vs_second_quarter": float(
            np.mean(seen.rss_bytes[-quarter:]) / np.mean(seen.rss_bytes[quarter : 2 * quarter])
        ),
    }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load")
    parser.add_argument("--quick", action="store_true", help="a few of each: does it run at all")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--data", type=Path, help="folder with squad_en/; else our own pages")
    for name in ("rate", "seconds", "streams"):
        parser.add_argument(f"--{name}", type=float, help="instead of the usual")
    options = parser.parse_args()
    usual = QUICK if options.quick else FULL
    load = Load(
        num_documents=usual.num_documents,
        num_streams=int(usual.num_streams if options.streams is None else options.streams),
        rate=options.rate or usual.rate,
        seconds=options.seconds or usual.seconds,
        num_alone=usual.num_alone,
    )
    files = choose_files(options.data, Plan(load.num_documents, num_texts=0, num_rounds=0))
    questions = [f"What is said about {path.stem.replace('_', ' ')}?" for path in files]
    with tempfile.TemporaryDirectory() as name:
        place = Place(Path(name), load_settings().models_dir, free_port())
        with serving(place, files) as server:
            seen = asyncio.run(measure(server, questions, load))
    figures = figures_of(seen, load)
    settings = {"documents": len(files), "rate": load.rate, "seconds": load.seconds}
    report(figures, build_manifest("load", settings), json_path=options.json)
    for error in seen.errors[:10]:
        print(error, file=sys.stderr)
    sys.exit(1 if seen.errors or seen.num_streams_lost else 0)


if __name__ == "__main__":
    main()
