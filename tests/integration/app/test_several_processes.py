"""One address, two processes: what the one knows the other tells, and a death costs no request."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.integration.app.conftest import names_of
from tests.integration.waiting import until

QUESTION: dict[str, Any] = {
    "question": "When does the swimming pool open?",
    "min_confidence": 0,
    "stream": True,
}
NAMES = ("api-1", "api-2")


@dataclass(frozen=True)
class Served:
    """A service of two processes, and a client at each of them."""

    process: "subprocess.Popen[str]"
    clients: dict[str, httpx2.Client]
    new_client: Callable[[], httpx2.Client]
    go: Path

    @property
    def here(self) -> httpx2.Client:
        """A client whose connection the first process serves."""
        return self.clients["api-1"]

    @property
    def there(self) -> httpx2.Client:
        """One at the second."""
        return self.clients["api-2"]


@contextmanager
def two_processes(data_dir: Path, *, drain_s: float = 60) -> Iterator[Served]:
    command = [sys.executable, "-m", "tests.integration.app.held_processes"]
    with (
        ExitStack() as stack,
        subprocess.Popen(
            [*command, str(data_dir), str(drain_s)], stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        stack.callback(process.kill)
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        headers = {"Authorization": f"Bearer {told['key']}"}
        url = f"http://127.0.0.1:{told['port']}"

        def new_client() -> httpx2.Client:
            # a connection, and so a process, for its whole life
            return stack.enter_context(httpx2.Client(base_url=url, headers=headers, timeout=120))

        served = Served(process, {}, new_client, data_dir / "go")
        until(lambda: find_both(served), within_s=240)
        yield served


def find_both(served: Served) -> bool:
    """Ask until both have served a client."""
    client = served.new_client()
    served.clients.setdefault(who(client), client)
    return len(served.clients) == len(NAMES)


def who(client: httpx2.Client) -> str:
    """Which process serves the client's connection."""
    return client.get("/health/live").headers["X-Process"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with two_processes(tmp_path_factory.mktemp("several")) as served:
        yield served


def test_connections_are_shared_evenly(served: Served) -> None:
    names = [who(served.new_client()) for _ in range(10)]
    assert {names.count(name) for name in NAMES} == {5}


def test_an_answer_is_written_to_its_end_while_both_refuse_new_work(tmp_path: Path) -> None:
    with two_processes(tmp_path) as served:
        with served.here.stream("POST", "/v1/answer", json=QUESTION) as response:
            events = names_of(response)
            assert "delta" in events
            served.process.send_signal(signal.SIGTERM)
            until(lambda: is_refused(served.new_client()))
            assert served.new_client().get("/health/live").status_code == 200
            served.go.touch()
            *_, last = events
        assert last == "done"
        assert served.process.wait(120) == 0


def is_refused(client: httpx2.Client) -> bool:
    """Whether new work is refused, by whichever process takes it."""
    response = client.post("/v1/search", json={"query": "towels"})
    return response.status_code == 503 and response.json()["code"] == "shutting_down"


def test_who_connects_while_a_process_is_dead_is_served_and_it_comes_back(served: Served) -> None:
    os.kill(children_of(served.process.pid)[0], signal.SIGKILL)
    for _ in range(6):
        assert served.new_client().get("/health/ready").status_code == 200
    served.clients.clear()
    until(lambda: find_both(served), within_s=240)


def children_of(pid: int) -> list[int]:
    """The processes that a process has started, from any of its threads."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]
