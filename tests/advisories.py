"""Ask OSV whether any pinned dependency has a known vulnerability. Part of `make check`.

    python -m tests.advisories [--service URL] [--lock FILE]... [NAME==VERSION]...

Exit code 1 where one has. Where the service cannot be reached, nothing was looked up: it says so in
one line and is no failure, since a machine without a network checks everything else.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping
from itertools import chain
from pathlib import Path
from typing import Final

import httpx2

OSV: Final = "https://api.osv.dev/v1/query"
_ROOT: Final = Path(__file__).parent.parent
_REACHED_WITHIN_S: Final = 10.0
# What pip-audit itself is asked about: any package will do to see whether anybody answers.
_PROBE: Final = {"package": {"name": "pip", "ecosystem": "PyPI"}, "version": "26.0"}
ACCEPTED: Final[Mapping[str, str]] = {}
"""Advisories that do not concern us, and why not."""


def find_obstacle(service: str) -> str | None:
    """Why the service cannot be asked; None where it can."""
    try:
        response = httpx2.post(service, json=_PROBE, timeout=_REACHED_WITHIN_S)
        response.json()
    except (httpx2.HTTPError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return None if response.is_success else f"it answers {response.status_code}"


def list_locks() -> list[Path]:
    """Our own lock files."""
    return sorted((_ROOT / "requirements").glob("*.txt"))


def read_pins(lock: Path) -> list[str]:
    """Every `NAME==VERSION` of a lock file."""
    lines = lock.read_text("utf-8").splitlines()
    return [line.split(" ", 1)[0] for line in lines if line[:1].isalnum() and "==" in line]


def audit(service: str, pins: Collection[str]) -> int:
    """Ask about these; says what is known of them. Returns the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        # without the hashes: where one pin has some all must, and torch has none
        listed = Path(folder) / "pins.txt"
        listed.write_text("\n".join(sorted(pins)) + "\n", encoding="utf-8")
        # resolves nothing: what is pinned is all there is
        command = ["-m", "pip_audit", "--requirement", str(listed), "--no-deps", "--disable-pip"]
        command += ["--vulnerability-service", "osv", "--osv-url", service]
        command += ["--progress-spinner", "off", "--desc", "off"]
        for advisory in ACCEPTED:
            command += ["--ignore-vuln", advisory]
        done = subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, check=False
        )
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
    else:
        print(f"advisories: none known of {len(pins)} pinned packages")
    return done.returncode


def main() -> None:
    """Ask, where there is anybody to ask."""
    parser = argparse.ArgumentParser(prog="python -m tests.advisories")
    parser.add_argument("--service", default=OSV, help="who is asked, after OSV's protocol")
    parser.add_argument("--lock", type=Path, action="append", help="instead of the usual")
    parser.add_argument("pins", nargs="*", help="what is pinned elsewhere")
    options = parser.parse_args()
    obstacle = find_obstacle(options.service)
    if obstacle is not None:
        print(f"advisories: NOT LOOKED UP, for {options.service} cannot be asked ({obstacle})")
        return
    pins = {*options.pins, *chain.from_iterable(map(read_pins, options.lock or list_locks()))}
    sys.exit(audit(options.service, pins))


if __name__ == "__main__":
    main()
