"""Upgrade a service of an earlier version with many documents, and look what became of everything.

    python -m benchmarks.upgrade [--from COMMIT] [--documents 10000] [--postgresql] [--json FILE]

The earlier version is taken out of this repository into a folder of its own; its code makes the
database, serves, takes uploads, answers, people and keys. Then it is stopped, this version migrates
and serves. What must hold: every row is there with the values it had, the same questions find the
same passages, answers and their receipts read the same, keys still open, `verify` finds nothing.
Exit code 1 where it does not. Told besides: how long nobody served.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from benchmarks.kill import database_url
from benchmarks.report import build_manifest, report
from benchmarks.upgrade_asking import Told, ask_everything
from benchmarks.upgrade_seed import FACTS, PLACES
from benchmarks.upgrade_service import Installation, serving
from core.settings import load_settings
from tests.ports import free_port

# The first version with people, whose service is laid out as today's.
FIRST: Final = "9953a54"
ROOT: Final = Path(__file__).parents[1]
_UPLOADS: Final = 5
# What comes and goes while a service runs, and says nothing about what it was given.
_PASSING: Final = frozenset(
    {"alembic_version", "deleted_chunks", "manifest", "segments", "sign_in_links", "workers"}
)
_PASSING_COLUMNS: Final = frozenset({("api_keys", "last_used_at")})
Rows = dict[str, dict[str, Any]]


def take_out(commit: str, folder: Path) -> None:
    """The code of a commit, in a folder."""
    folder.mkdir()
    archive = subprocess.run(
        ["git", "archive", commit], cwd=ROOT, capture_output=True, check=True
    ).stdout
    subprocess.run(["tar", "--extract", "--directory", str(folder)], input=archive, check=True)


def read_rows(url: str, columns: dict[str, list[str]] | None = None) -> Rows:
    """Every row that must stay, by table and key; of these columns where some are given."""
    engine, tables = sa.create_engine(url), sa.MetaData()
    tables.reflect(engine)
    found: Rows = {}
    with engine.connect() as connection:
        for table in tables.sorted_tables:
            if table.name in _PASSING or (columns is not None and table.name not in columns):
                continue
            wanted = [
                each
                for each in table.columns
                if (table.name, each.name) not in _PASSING_COLUMNS
                and (columns is None or each.name in columns[table.name])
            ]
            keys = [each.name for each in table.primary_key]
            rows = connection.execute(sa.select(*wanted)).mappings()
            found[table.name] = {str([row[key] for key in keys]): dict(row) for row in rows}
    engine.dispose()
    return found


def find_lost(before: Rows, after: Rows) -> list[str]:
    """Every row that is gone or changed."""
    return [
        f"{table} {key}"
        for table, rows in before.items()
        for key, row in rows.items()
        if after.get(table, {}).get(key) != row
    ]


def holds(before: Any, after: Any) -> bool:
    """Whether everything that was told before is told after; a version may add to it."""
    if isinstance(before, dict) and isinstance(after, dict):
        return all(name in after and holds(each, after[name]) for name, each in before.items())
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(map(holds, before, after))
    return bool(before == after)


@dataclass(slots=True)
class Seen:
    """What was seen of an upgrade."""

    figures: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Drill:
    """The two versions over one place."""

    old: Installation
    new: Installation
    url: str
    num_documents: int

    def run(self, seen: Seen) -> None:
        """Fill, ask, upgrade, ask again, compare."""
        started_s = time.monotonic()
        self.old.seed(self.num_documents)
        seen.figures["seeding_s"] = time.monotonic() - started_s
        with serving(self.old) as service:
            service.wait_until_ready()
            key = self.old.run("keys", "create", "drill")
            self.old.run("people", "invite", "ana")
            service.use_key(key)
            names = [service.upload(number) for number in range(_UPLOADS)]
            service.wait_until_searchable(names)
            before = ask_everything(service)
            moment_s = time.monotonic()
        seen.figures["stopping_s"] = time.monotonic() - moment_s
        before_rows = read_rows(self.url)
        moment_s = time.monotonic()
        self.new.run("db", "upgrade")
        seen.figures["migrating_s"] = time.monotonic() - moment_s
        moment_s = time.monotonic()
        with serving(self.new) as service:
            service.wait_until_ready()
            seen.figures["starting_s"] = time.monotonic() - moment_s
            service.use_key(key)
            after = ask_everything(service, answers=before.answers)
            self._compare(before, after, before_rows, seen)
            if "ana" not in self.new.run("people", "list"):
                seen.faults.append("a person is gone")
        with suppress(subprocess.CalledProcessError):
            self.new.run("verify")
            return
        seen.faults.append("'cimiento verify' found something: see the log")

    def _compare(self, before: Told, after: Told, before_rows: Rows, seen: Seen) -> None:
        columns = {
            table: list(next(iter(rows.values()))) for table, rows in before_rows.items() if rows
        }
        after_rows = read_rows(self.url, columns)
        lost = find_lost(before_rows, after_rows)
        seen.faults += [f"lost or changed: {each}" for each in lost[:20]]
        seen.figures |= {
            "rows_before": float(sum(map(len, before_rows.values()))),
            "rows_lost": float(len(lost)),
            "documents": float(len(after_rows["documents"])),
            "answers": float(len(before.answers)),
            "questions": float(len(before.passages)),
        }
        seen.figures["downtime_s"] = sum(
            seen.figures[f"{part}_s"] for part in ("stopping", "migrating", "starting")
        )
        same = sum(after.passages[asked] == found for asked, found in before.passages.items())
        seen.figures["questions_with_the_same_passages"] = float(same)
        for asked, found in before.passages.items():
            if after.passages[asked] != found:
                seen.faults.append(f"other passages: {asked}")
        for answer_id, answer in before.answers.items():
            if not holds(answer, after.answers[answer_id]):
                seen.faults.append(f"another answer: {answer_id}")


def main() -> None:
    """Run it; exit code 1 where something that must hold did not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="commit", default=FIRST, help="the earlier version")
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--postgresql", action="store_true", help="instead of SQLite")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    given = parser.parse_args()
    most = (len(FACTS) * len(PLACES)) ** 2 // 2 - len(FACTS) * len(PLACES)
    if not 1 <= given.documents <= most:
        parser.error(f"--documents: 1 to {most}")
    root = Path(tempfile.mkdtemp(prefix="upgrade-"))
    take_out(given.commit, root / "old")
    seen = Seen()
    with database_url(root, sqlite=not given.postgresql) as url:
        place = {
            "CIMIENTO_DATA_DIR": str(root / "data"),
            "CIMIENTO_MODELS__DIR": str(load_settings().models_dir),
            "CIMIENTO_SERVER__PORT": str(free_port()),
            **({"CIMIENTO_DATABASE__URL": url} if url else {}),
        }
        drill = Drill(
            Installation(root / "old", place, root / "old.log"),
            Installation(ROOT, place, root / "new.log"),
            url or f"sqlite:///{root / 'data' / 'cimiento.db'}",
            given.documents,
        )
        drill.run(seen)
    settings = {"from": given.commit, "database": "postgresql" if given.postgresql else "sqlite"}
    report(seen.figures, build_manifest("upgrade", settings), json_path=given.json)
    for fault in seen.faults:
        print(f"FAULT  {fault}")
    if seen.faults:
        print(f"everything is kept: {root}")
        sys.exit(1)
    shutil.rmtree(root)


if __name__ == "__main__":
    main()
