"""One version of the service as an installation: its commands, and `cimiento serve` of it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2

_WITHIN_S: Final = 900.0
_KEPT: Final = ("PATH", "HOME", "LANG", "OMP_NUM_THREADS")
_SEED: Final = Path(__file__).with_name("upgrade_seed.py")


@dataclass(frozen=True, slots=True)
class Installation:
    """The code in a folder, over the place that the environment names."""

    root: Path
    place: Mapping[str, str]
    log: Path

    @property
    def environment(self) -> dict[str, str]:
        """That of its processes."""
        own = dict(os.environ)  # noqa: TID251 - a part of it is passed on
        kept = {name: own[name] for name in _KEPT if name in own}
        return kept | {"PYTHONPATH": str(self.root)} | dict(self.place)

    def seed(self, num_documents: int) -> None:
        """Fill the database by this code."""
        self._run([str(_SEED), str(num_documents)])
        self.run("index", "rebuild")

    def run(self, *arguments: str) -> str:
        """A command of it to its end; what it printed. Raises CalledProcessError."""
        return self._run(["-m", "app.cli", *arguments])

    def start(self) -> "subprocess.Popen[bytes]":
        """`cimiento serve`."""
        with self.log.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", "app.cli", "serve"],
                cwd=self.root,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def _run(self, arguments: Sequence[str]) -> str:
        with self.log.open("ab") as output:
            done = subprocess.run(
                [sys.executable, "-P", *arguments],
                cwd=self.root,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=output,
                check=True,
                text=True,
            )
        return done.stdout.strip()


class RunningService:
    """A service that runs, and a client of it."""

    def __init__(self, installation: Installation) -> None:
        self.process = installation.start()
        self._log = installation.log
        port = installation.place["CIMIENTO_SERVER__PORT"]
        self.client = httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=_WITHIN_S)

    def wait_until_ready(self) -> None:
        """Return as soon as it can answer."""
        deadline = time.monotonic() + _WITHIN_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the service ended: see {self._log}")
            with suppress(httpx2.TransportError):
                if self.client.get("/health/ready").status_code == httpx2.codes.OK:
                    return
            time.sleep(0.1)
        raise TimeoutError(f"the service did not become ready: see {self._log}")

    def use_key(self, key: str) -> None:
        """Call with this key from now on."""
        self.client.headers["Authorization"] = f"Bearer {key}"

    def upload(self, number: int) -> str:
        """Send a document; its job."""
        text = f"The lighthouse number {number} is lit by lamp {number * 7} every night."
        files = {"file": (f"lighthouse-{number}.txt", text.encode())}
        response = self.client.post("/v1/collections/default/documents", files=files)
        return str(response.raise_for_status().json()["job_id"])

    def wait_until_searchable(self, jobs: Sequence[str]) -> None:
        """Return when every one of the jobs is done; fails when one failed."""
        deadline = time.monotonic() + _WITHIN_S
        waiting = list(jobs)
        while waiting:
            state = self.call("GET", f"/v1/jobs/{waiting[0]}")["state"]
            if state == "searchable":
                waiting.pop(0)
            elif state not in ("queued", "running") or time.monotonic() > deadline:
                raise RuntimeError(f"the job {waiting[0]} is {state}: see {self._log}")
            else:
                time.sleep(0.2)

    def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """One request that must succeed."""
        response = self.client.request(method, path, json=body)
        fields: dict[str, Any] = response.raise_for_status().json()
        return fields


@contextmanager
def serving(installation: Installation) -> Iterator[RunningService]:
    """A service inside the block; asked to end behind it, and waited for."""
    service = RunningService(installation)
    try:
        yield service
    finally:
        service.client.close()
        service.process.send_signal(signal.SIGTERM)
        try:
            service.process.wait(_WITHIN_S / 10)
        except subprocess.TimeoutExpired:
            service.process.kill()
            service.process.wait()
