"""Every hostile file through a real service: one named end each, nothing written elsewhere.

`python -m benchmarks.hostile [--quick] [--json FILE]`. Exit code 1 when an end is not one of those
that its kind may come to, when the service stops answering, or when a file appears outside the data
folder. A text of many chunks is cancelled once it is embedded: it has been read by then. `--quick`
takes every fifth kind, and none of the slow ones.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.report import build_manifest, report
from core.settings import load_settings
from tests.e2e.service import Place, Service, serving
from tests.hostile import HOSTILE
from tests.hostile.kinds import Hostile
from tests.ports import free_port

_LIMITS: Final = {
    "CIMIENTO_INGESTION__MAX_TEXT_CHARS": "1000000",
    "CIMIENTO_INGESTION__MAX_PAGES": "100",
    "CIMIENTO_INGESTION__MAX_IMAGE_PIXELS": "20000000",
    "CIMIENTO_INGESTION__PARSE_STALL_S": "60",
}
_MANY_CHUNKS: Final = 100
_JOB_WITHIN_S: Final = 180.0
_ENDED: Final = ("searchable", "failed", "cancelled")


@dataclass(frozen=True)
class _Yard(Place):
    """A service whose home and temporary folders are watched."""

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of its processes."""
        around = {"HOME": str(self.home), "TMPDIR": str(self.home)}
        return super().environment | around | _LIMITS

    @property
    def home(self) -> Path:
        """Where a process would write what is its own."""
        return self.data_dir.parent / "home"


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How one file ended, and how long that took from its upload on."""

    hostile: Hostile
    end: str
    seconds: float

    @property
    def is_as_expected(self) -> bool:
        return self.end in self.hostile.ends


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the set, print a line a file and the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path, dest="json_path")
    options = parser.parse_args(arguments)
    quick = [hostile for hostile in HOSTILE if not hostile.is_slow][::5]
    kinds = quick if options.quick else HOSTILE
    with tempfile.TemporaryDirectory() as name:
        yard = _Yard(Path(name) / "data", load_settings().models_dir, free_port())
        yard.home.mkdir()
        with serving(yard) as service:
            outcomes = list(_send_all(service, kinds))
            is_up = service.client.get("/health/ready").status_code == 200
        strays = [path for path in Path(name).rglob("*") if _is_stray(path, yard)]
    wrong = [outcome for outcome in outcomes if not outcome.is_as_expected]
    figures = {
        "hostile_files": len(outcomes),
        "ends_as_expected": len(outcomes) - len(wrong),
        "slowest_s": max(outcome.seconds for outcome in outcomes),
        "files_outside": len(strays),
        "service_up": float(is_up),
    }
    report(figures, build_manifest("hostile", {"kinds": len(kinds)}), json_path=options.json_path)
    if wrong or strays or not is_up:
        raise SystemExit(f"wrong ends: {[each.hostile.kind for each in wrong]}; outside: {strays}")


def _is_stray(path: Path, yard: _Yard) -> bool:
    return path.is_file() and not path.is_relative_to(yard.data_dir)


def _send_all(service: Service, kinds: Sequence[Hostile]) -> Iterator[_Outcome]:
    for hostile in kinds:
        started = time.monotonic()
        outcome = _Outcome(hostile, _end(service, hostile), time.monotonic() - started)
        mark = "" if outcome.is_as_expected else f"  (not one of {sorted(hostile.ends)})"
        print(f"{hostile.kind:<42} {outcome.seconds:6.1f} s  {outcome.end}{mark}", flush=True)
        assert service.client.get("/health/live").status_code == 200
        yield outcome


def _end(service: Service, hostile: Hostile) -> str:
    # a name of its own each: the same bytes under one name would be taken for one document
    name = f"{hostile.kind} {hostile.name}"
    response = service.client.post(
        "/v1/collections/default/documents", files={"file": (name, hostile.build())}
    )
    answer: dict[str, Any] = response.json()
    if response.status_code != 202:
        return str(answer["code"])
    return _follow(service, str(answer["job_id"]))


def _follow(service: Service, job_id: str) -> str:
    deadline = time.monotonic() + _JOB_WITHIN_S
    while time.monotonic() < deadline:
        job: dict[str, Any] = service.client.get(f"/v1/jobs/{job_id}").json()
        if job["state"] in _ENDED:
            return str(job["error"]["code"] if job["error"] else job["state"])
        if job["stage"] == "embedding" and (job["total"] or 0) > _MANY_CHUNKS:
            service.client.delete(f"/v1/jobs/{job_id}")
            return "searchable"
        time.sleep(0.1)
    return "still open"


if __name__ == "__main__":
    main()
