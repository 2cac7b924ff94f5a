"""Searches and documents a second with 1, 2 and 4 processes, and what it costs that they are many.

    python -m benchmarks.processes [--quick] [--json FILE] [--data FOLDER]
                                   [--database postgresql|sqlite]... [--processes N]...

For each database and each number a new, empty truth. So many `cimiento worker ingest` make the same
documents searchable, which one API has accepted; then, the workers ended, as many `cimiento serve
--role api` are searched by callers who share them and search again as soon as they are answered, no
question twice. Every process computes on one thread, and has worked before anything is counted.

Processes beyond the machine's cores can add nothing, so the rates tell of the machine as much as of
the service. What coordination costs shows in what one search and one document take:

- processor time of all our processes, and of the database's; SQLite is inside ours. It grows also
  where cores that share caches and memory disturb each other.
- the database: from the begin of its statements to their end, waits for locks, disk and a core
  included; of PostgreSQL alone, which counts it.
- cores at work, the callers' share included: what is missing up to the machine's was waited away.
"""

import argparse
import asyncio
import os
import random
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.ingestion import Plan, choose_files
from benchmarks.load_traffic import Connection, build_search, different_questions
from benchmarks.processes_place import Ground, Spent, ground, writing
from benchmarks.report import build_manifest, report
from benchmarks.text_sets import read_rows
from core.settings import load_settings
from tests.e2e.service import Service

_SEED: Final = 10
_QUESTIONS: Final = (
    "xquad/queries.en.jsonl",
    "xquad/queries.es.jsonl",
    "nq_oracle/queries.jsonl",
    "squad_es/v1.1.queries.jsonl",
    "squad_es/v2.0.queries.jsonl",
)
_DATABASES: Final = ("postgresql", "sqlite")
_WARM_UPS: Final = 20
_COLUMNS: Final = {
    "per_s": "a second",
    "gain": "times the first",
    "p50_ms": "p50 ms",
    "processes_ms": "processor ms",
    "database_cpu_ms": "database's",
    "more_cpu": "more than first",
    "database_ms": "database ms",
    "cores": "cores at work",
}


@dataclass(frozen=True, slots=True)
class Load:
    """How much of what."""

    processes: tuple[int, ...]
    num_documents: int
    num_callers: int
    search_s: float


FULL: Final = Load((1, 2, 4), num_documents=40, num_callers=32, search_s=30.0)
QUICK: Final = Load((1, 2), num_documents=4, num_callers=8, search_s=4.0)


@dataclass(frozen=True, slots=True)
class Corpus:
    """Real documents, and questions without end, none of them twice."""

    files: Sequence[Path]
    asked: Sequence[str]

    def questions(self) -> Iterator[str]:
        """The real ones, then some of the documents' words."""
        return chain(self.asked, different_questions(self.files))


def read_corpus(data: Path | None, num_documents: int) -> Corpus:
    """Of the folder of real data; without one our own pages, and questions of their words."""
    files = choose_files(data, Plan(num_documents, num_texts=0, num_rounds=0))
    asked = {row["text"] for name in _QUESTIONS if data for row in read_rows(data / name)}
    ordered = sorted(asked)
    random.Random(_SEED).shuffle(ordered)  # noqa: S311 - a sample, no secret
    return Corpus(files, ordered)


def measure_ingestion(here: Ground, files: Sequence[Path], number: int) -> dict[str, float]:
    """So many workers and one API; until every document is searchable."""
    with here.apis(1) as [api], here.workers(number), tempfile.TemporaryDirectory() as name:
        _warm_up_workers(here, api, Path(name), number)
        before = here.spent(settled=True)
        for path in files:
            api.upload(path)
        here.wait_for_jobs()
        spent = here.spent(settled=True).since(before)
    return _each(spent, len(files))


def _warm_up_workers(here: Ground, api: Service, folder: Path, number: int) -> None:
    """Until each worker has made a document searchable."""
    sent = 0
    while here.count_workers() < number:
        for _ in range(2 * number):
            path = folder / f"warm-up-{sent}.md"
            path.write_text(f"# Warm-up {sent}\n\nThis is page {sent} of {sent}.\n", "utf-8")
            api.upload(path)
            sent += 1
        here.wait_for_jobs()


def measure_searches(
    here: Ground, questions: Iterator[str], number: int, load: Load
) -> dict[str, float]:
    """So many APIs, and callers who never rest."""
    with here.apis(number) as apis:
        asyncio.run(_search(apis, questions, num_callers=number, each=_WARM_UPS))
        before, own_s = here.spent(settled=True), _own_cpu_s()
        took_s = asyncio.run(
            _search(apis, questions, num_callers=load.num_callers, for_s=load.search_s)
        )
        own_s = _own_cpu_s() - own_s
        spent = here.spent(settled=True).since(before)
    told = _each(spent, len(took_s), callers_s=own_s)
    return told | {"p50_ms": 1000 * float(np.median(took_s))}


async def _search(
    apis: Sequence[Service],
    questions: Iterator[str],
    *,
    num_callers: int,
    each: int | None = None,
    for_s: float = float("inf"),
) -> list[float]:
    """How long every search took; each caller has its API, and stops after `each` or `for_s`."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + for_s
    took_s: list[float] = []

    async def call(api: Service) -> None:
        port, key = api.place.port, api.client.headers["Authorization"].removeprefix("Bearer ")
        connection = await Connection.open(port)
        num_asked = 0
        while loop.time() < until_s and num_asked != each:
            num_asked += 1
            begin_s = loop.time()
            body = await connection.ask(build_search(port, key, next(questions)))
            took_s.append(loop.time() - begin_s)
            if not body["passages"]:
                raise RuntimeError("a search found nothing")
        connection.close()

    async with asyncio.TaskGroup() as group:
        for number in range(num_callers):
            group.create_task(call(apis[number % len(apis)]))
    return took_s


def _own_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _each(spent: Spent, number: int, *, callers_s: float = 0.0) -> dict[str, float]:
    """What one of so many took; nothing of a database that is no process of its own."""
    at_work_s = spent.processes_s + spent.database_s + callers_s
    told = {
        "number": float(number),
        "per_s": number / spent.clock_s,
        "processes_ms": 1000 * spent.processes_s / number,
        "cores": at_work_s / spent.clock_s,
    }
    if spent.database_s:
        told["database_cpu_ms"] = 1000 * spent.database_s / number
        told["database_ms"] = 1000 * spent.waited_s / number
    return told


def measure(root: Path, corpus: Corpus, load: Load, databases: Sequence[str]) -> dict[str, float]:
    """Everything; figures are named by database, what was done, and number of processes."""
    models_dir = load_settings().models_dir
    figures: dict[str, float] = {}
    with writing(root, models_dir) as url:
        for database in databases:
            first: dict[str, dict[str, float]] = {}
            for number in load.processes:
                folder = root / f"{database}-{number}"
                with ground(folder, models_dir, url, sqlite=database == "sqlite") as here:
                    done = {
                        "documents": measure_ingestion(here, corpus.files, number),
                        "searches": measure_searches(here, corpus.questions(), number, load),
                    }
                shutil.rmtree(folder)
                first = first or done
                for what, told in done.items():
                    compared = told | _compare(told, first[what])
                    prefix = f"{database}_{what}_{number}"
                    figures |= {f"{prefix}_{name}": each for name, each in compared.items()}
                    print(f"{prefix}: {told['per_s']:.3f} a second", file=sys.stderr)
    return figures


def _compare(told: dict[str, float], first: dict[str, float]) -> dict[str, float]:
    """Beside the fewest processes."""
    now, then = (each["processes_ms"] + each.get("database_cpu_ms", 0.0) for each in (told, first))
    return {"gain": told["per_s"] / first["per_s"], "more_cpu": now / then - 1}


def print_table(figures: dict[str, float], load: Load, databases: Sequence[str]) -> None:
    """The same as rows."""
    print("| database | what | processes | " + " | ".join(_COLUMNS.values()) + " |")
    print("|---" * (3 + len(_COLUMNS)) + "|")
    for database in databases:
        for what in ("documents", "searches"):
            for number in load.processes:
                prefix = f"{database}_{what}_{number}_"
                cells = [_tell(figures.get(prefix + name)) for name in _COLUMNS]
                print(f"| {database} | {what} | {number} | " + " | ".join(cells) + " |")


def _tell(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.processes")
    parser.add_argument("--quick", action="store_true", help="a few of each: does it run at all")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--data", type=Path, help="folder with squad_en/, xquad/ and others")
    parser.add_argument("--database", action="append", choices=_DATABASES, help="both by default")
    parser.add_argument("--processes", type=int, action="append", help="1, 2 and 4 by default")
    parser.add_argument("--documents", type=int, help="instead of the usual number")
    options = parser.parse_args()
    load = QUICK if options.quick else FULL
    load = replace(
        load,
        processes=tuple(options.processes or load.processes),
        num_documents=options.documents or load.num_documents,
    )
    databases = options.database or _DATABASES
    root = Path(tempfile.mkdtemp(prefix="processes-"))
    corpus = read_corpus(options.data, load.num_documents)
    figures = measure(root, corpus, load, databases)
    conditions = {
        "documents": len(corpus.files),
        "callers": load.num_callers,
        "search_s": load.search_s,
        "cores": len(os.sched_getaffinity(0)),
    }
    report(figures, build_manifest("processes", conditions), json_path=options.json)
    print_table(figures, load, databases)
    shutil.rmtree(root)


if __name__ == "__main__":
    main()
