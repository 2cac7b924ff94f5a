"""A real `cimiento serve` on a loopback port, and what a calling service does with it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

DOCUMENTS = Path(__file__).parent / "documents"
# for a machine that is busy; the worker's processes give way to all others there
_READY_WITHIN_S = 240.0
_SEARCHABLE_WITHIN_S = 400.0


@dataclass(frozen=True)
class Place:
    """Where a service keeps its data and where it listens."""

    data_dir: Path
    models_dir: Path
    port: int
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of its processes."""
        names = ("PATH", "HOME", "LANG", "OMP_NUM_THREADS")
        kept = {name: os.environ[name] for name in names if name in os.environ}
        return kept | {
            "CIMIENTO_DATA_DIR": str(self.data_dir),
            "CIMIENTO_MODELS__DIR": str(self.models_dir),
            "CIMIENTO_SERVER__PORT": str(self.port),
            **self.more,
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a `cimiento` command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "app.cli", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


def start(place: Place, log: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    """Begin a `cimiento` command in a process group of its own."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "app.cli", *arguments],
            env=place.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


class Service:
    """A running service and a client with a key."""

    def __init__(self, place: Place, log: Path, *arguments: str) -> None:
        self.place = place
        self._log = log
        self.process = start(place, log, "serve", *arguments)
        self.base_url = f"http://127.0.0.1:{place.port}"
        self.client = httpx2.Client(base_url=self.base_url, timeout=120)

    def wait_until_ready(self) -> None:
        """Wait for /health/ready; a process that ended fails with its log."""
        deadline = time.monotonic() + _READY_WITHIN_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self._log.read_text()
            try:
                if self.client.get("/health/ready").status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            time.sleep(0.2)
        raise AssertionError(f"not ready in time:\n{self._log.read_text()}")

    def sign_in_with_key(self) -> None:
        """Make an API key, as an operator would, and use it from now on."""
        made = self.place.run("keys", "create", "e2e")
        assert made.returncode == 0, made.stderr
        self.client.headers["Authorization"] = f"Bearer {made.stdout.strip()}"

    def sign_in_link(self) -> str:
        """The one-time link that was printed."""
        found = re.search(r"http://\S+/sign-in\?token=\S+", self._log.read_text())
        assert found, self._log.read_text()
        return found[0]

    def upload(self, path: Path) -> dict[str, Any]:
        """Send a file; returns what the service answered."""
        with path.open("rb") as file:
            response = self.client.post(
                "/v1/collections/default/documents", files={"file": (path.name, file)}
            )
        assert response.status_code == 202, response.text
        return dict(response.json())

    def wait_for_job(self, job_id: str) -> dict[str, Any]:
        """Wait until a job has ended."""
        deadline = time.monotonic() + _SEARCHABLE_WITHIN_S
        while time.monotonic() < deadline:
            job = dict(self.client.get(f"/v1/jobs/{job_id}").json())
            if job["state"] not in ("queued", "running"):
                return job
            time.sleep(0.25)
        raise AssertionError(f"job still open: {job}")

    def add(self, path: Path) -> dict[str, Any]:
        """Upload and wait until searchable."""
        accepted = self.upload(path)
        job = self.wait_for_job(accepted["job_id"])
        assert job["state"] == "searchable", job
        return accepted

    def ask(self, question: str) -> dict[str, Any]:
        """The whole answer to a question."""
        response = self.client.post("/v1/answer", json={"question": question})
        assert response.status_code == 200, response.text
        return dict(response.json())

    def kill(self) -> None:
        """kill -9 of every process of the service, as when the power fails."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=30)

    def stop(self) -> int:
        """End it politely, and where it does not end, all the same; returns its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(timeout=120)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


@contextmanager
def serving(place: Place, *, with_key: bool = True) -> Iterator[Service]:
    """A ready service, stopped at the end."""
    place.data_dir.mkdir(parents=True, exist_ok=True)
    service = Service(place, place.data_dir / "serve.log")
    try:
        service.wait_until_ready()
        if with_key:
            service.sign_in_with_key()
        yield service
    finally:
        service.client.close()
        if service.process.poll() is None:
            service.stop()
