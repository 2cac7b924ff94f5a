"""A real process is told to stop in the middle of an answer: it ends the answer first."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.integration.app.conftest import names_of
from tests.integration.waiting import until

QUESTION = {"question": "When does the swimming pool open?", "min_confidence": 0, "stream": True}


@dataclass(frozen=True)
class Held:
    """A service whose answers wait, and a client with a key."""

    process: "subprocess.Popen[str]"
    client: httpx2.Client
    go: Path


@contextmanager
def held_service(data_dir: Path, *, drain_s: float) -> Iterator[Held]:
    command = [sys.executable, "-m", "tests.integration.app.held_service"]
    with subprocess.Popen(
        [*command, str(data_dir), str(drain_s)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        headers = {"Authorization": f"Bearer {told['key']}"}
        url = f"http://127.0.0.1:{told['port']}"
        try:
            with httpx2.Client(base_url=url, headers=headers, timeout=60) as client:
                yield Held(process, client, data_dir / "go")
        finally:
            process.kill()


def test_an_answer_is_written_to_its_end_while_new_work_is_refused(tmp_path: Path) -> None:
    with held_service(tmp_path, drain_s=60) as held:
        with held.client.stream("POST", "/v1/answer", json=QUESTION) as response:
            events = names_of(response)
            assert "delta" in events
            held.process.send_signal(signal.SIGTERM)
            search = {"query": "towels"}
            until(lambda: held.client.post("/v1/search", json=search).status_code == 503)
            refused = held.client.post("/v1/answer", json=QUESTION)
            assert refused.json()["code"] == "shutting_down"
            assert "retry-after" in refused.headers
            assert held.client.get("/health/live").status_code == 200
            held.go.touch()
            *_, last = events
        assert last == "done"
        assert held.process.wait(60) == 0


def test_an_answer_that_takes_too_long_is_cancelled_and_told_so(tmp_path: Path) -> None:
    with held_service(tmp_path, drain_s=0) as held:
        with held.client.stream("POST", "/v1/answer", json=QUESTION) as response:
            events = names_of(response)
            assert "delta" in events
            held.process.send_signal(signal.SIGTERM)
            *_, last = events
        assert last == "cancelled"
        assert held.process.wait(60) == 0
