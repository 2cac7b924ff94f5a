"""One address, two processes: what the one knows the other tells, and a death costs no request."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.conftest import ModelFiles
from tests.e2e.service import DOCUMENTS, Place, serving
from tests.integration.app.conftest import names_of
from tests.integration.app.held_processes import MAX_REQUESTS
from tests.integration.waiting import until
from tests.ports import free_port

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
    url: str
    told: Mapping[str, str]
    go: Path
    clients: dict[str, httpx2.Client]
    open: ExitStack

    @property
    def here(self) -> httpx2.Client:
        """A client whose connection the first process serves."""
        return self.clients["api-1"]

    @property
    def there(self) -> httpx2.Client:
        """One at the second."""
        return self.clients["api-2"]

    def new_client(self, headers: Mapping[str, str] | None = None) -> httpx2.Client:
        """A client with a connection, and so a process, for its whole life."""
        headers = headers or self.carrying("key")
        return self.open.enter_context(
            httpx2.Client(base_url=self.url, headers=headers, timeout=120)
        )

    def carrying(self, key: str) -> dict[str, str]:
        """The headers of whoever has that key."""
        return {"Authorization": f"Bearer {self.told[key]}"}

    def find_clients(self, headers: Mapping[str, str] | None = None) -> dict[str, httpx2.Client]:
        """A client at each process; connections are handed out by turns."""
        found: dict[str, httpx2.Client] = {}

        def have_all() -> bool:
            client = self.new_client(headers)
            found.setdefault(who(client), client)
            return len(found) == len(NAMES)

        until(have_all, within_s=240)
        return found


@contextmanager
def two_processes(data_dir: Path) -> Iterator[Served]:
    """Ready to be asked; ended with the context."""
    command = [sys.executable, "-m", "tests.integration.app.held_processes", str(data_dir), "60"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
        ExitStack() as stack,
    ):
        stack.callback(process.kill)
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        url = f"http://127.0.0.1:{told['port']}"
        served = Served(process, url, told, data_dir / "go", {}, stack)
        served.clients.update(served.find_clients())
        yield served


def who(client: httpx2.Client) -> str:
    """Which process serves the client's connection."""
    return client.get("/health/live").headers["X-Process"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with two_processes(tmp_path_factory.mktemp("several")) as served:
        yield served


@pytest.fixture
def served(shared: Served) -> Served:
    """Both processes, whose answers wait again."""
    shared.go.unlink(missing_ok=True)
    return shared


def test_connections_are_shared_evenly(served: Served) -> None:
    def are_even() -> bool:
        names = [who(served.new_client()) for _ in range(10)]
        return {names.count(name) for name in NAMES} == {5}

    # not while one of them still loads: then the other has them all
    until(are_even)


def read_events(response: httpx2.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and data of events, as they come."""
    name = ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


@contextmanager
def asking(client: httpx2.Client) -> Iterator[tuple[str, Iterator[tuple[str, dict[str, Any]]]]]:
    """An answer that has its first word: its id, and the events to come."""
    with client.stream("POST", "/v1/answer", json=QUESTION) as response:
        events = read_events(response)
        name, passages = next(events)
        assert name == "passages"
        assert next(name for name, _ in events if name == "delta")
        yield passages["id"], events


def test_an_answer_whose_connection_was_lost_goes_on_word_for_word_at_the_other_process(
    served: Served,
) -> None:
    with asking(served.here) as (answer_id, _):
        pass
    # the connection is lost with its stream, and another process is the next one to be asked
    served.clients.update(served.find_clients())
    with served.there.stream("GET", f"/v1/answers/{answer_id}/events") as response:
        names = names_of(response)
        assert next(names) == "passages"
        assert "delta" in names
        served.go.touch()
        *_, last = names
    assert last == "done"


def test_an_answer_is_cancelled_at_the_other_process(served: Served) -> None:
    with asking(served.here) as (answer_id, events):
        assert served.there.post(f"/v1/answers/{answer_id}/cancel").status_code == 204
        *_, (last, _) = events
    assert last == "cancelled"
    served.clients.update(served.find_clients())


def test_nobody_follows_the_answer_of_another_key(served: Served) -> None:
    strangers = served.find_clients(served.carrying("other"))
    with asking(served.here) as (answer_id, _):
        for client in strangers.values():
            assert client.get(f"/v1/answers/{answer_id}/events").status_code == 404
        served.go.touch()
    served.clients.update(served.find_clients())


def test_a_limit_of_a_key_counts_what_it_sends_to_both(served: Served) -> None:
    clients = served.find_clients(served.carrying("limited"))
    for _ in range(MAX_REQUESTS // len(NAMES)):
        for client in clients.values():
            assert client.get("/v1/collections").status_code == 200
    for client in clients.values():
        refused = client.get("/v1/collections")
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")


def test_whichever_process_is_asked_tells_the_figures_of_both(served: Served) -> None:
    for client in served.clients.values():
        for _ in range(3):
            assert client.get("/v1/version").status_code == 200
    for client in served.find_clients(served.carrying("metrics")).values():
        # a request is counted when its caller has the reply already
        until(partial(has_counted, client, 6))
        memory = read_series(client)["process_resident_memory_bytes"]
        assert {sample.labels["process"] for sample in memory} == set(NAMES)


def has_counted(client: httpx2.Client, number: int) -> bool:
    """Whether so many requests for the version are told of."""
    series = read_series(client)["cimiento_requests_total"]
    of_route = [each.value for each in series if each.labels["route"] == "/v1/version"]
    return sum(of_route) == number


def read_series(client: httpx2.Client) -> dict[str, list[Sample]]:
    """Every series by its name."""
    page = client.get("/metrics")
    assert page.status_code == 200, page.text
    found: dict[str, list[Sample]] = {}
    for family in text_string_to_metric_families(page.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample)
    return found


def test_who_signs_in_at_one_is_signed_in_at_both(served: Served) -> None:
    browsers = served.find_clients({"Origin": served.url})
    here, there = browsers.values()
    assert here.post("/sign-in", data={"token": served.told["link"]}).status_code == 303
    there.cookies.update(here.cookies)
    assert there.get("/v1/me").status_code == 200


def test_a_deleted_document_is_found_at_neither(served: Served) -> None:
    query = {"query": "How many steps has the lookout tower?", "mode": "lexical"}
    found = [client.post("/v1/search", json=query).json() for client in served.clients.values()]
    (document_id,) = {each["passages"][0]["document_id"] for each in found}
    assert served.here.delete(f"/v1/documents/{document_id}").status_code == 200
    for client in served.clients.values():
        left = client.post("/v1/search", json=query).json()["passages"]
        assert document_id not in {passage["document_id"] for passage in left}


def test_who_connects_while_a_process_is_dead_is_served_and_it_comes_back(served: Served) -> None:
    os.kill(children_of(served.process.pid)[0], signal.SIGKILL)
    for _ in range(6):
        assert served.new_client().get("/health/ready").status_code == 200
    served.clients.update(served.find_clients())


def test_an_answer_is_written_to_its_end_while_both_refuse_new_work(tmp_path: Path) -> None:
    with two_processes(tmp_path) as served:
        with asking(served.here) as (_, events):
            served.process.send_signal(signal.SIGTERM)
            until(lambda: is_refused(served.new_client()))
            assert served.new_client().get("/health/live").status_code == 200
            served.go.touch()
            *_, (last, _) = events
        assert last == "done"
        assert served.process.wait(120) == 0


def is_refused(client: httpx2.Client) -> bool:
    """Whether new work is refused, by whichever process takes it."""
    response = client.post("/v1/search", json={"query": "towels"})
    return response.status_code == 503 and response.json()["code"] == "shutting_down"


def children_of(pid: int) -> list[int]:
    """The processes that a process has started, from any of its threads."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def test_the_command_serves_with_a_model_and_an_ingestion_worker_for_both(
    tmp_path: Path, model_files: ModelFiles
) -> None:
    more = {"CIMIENTO_SERVER__PROCESSES": "2"}
    with serving(Place(tmp_path / "data", model_files.root, free_port(), more)) as service:
        service.add(DOCUMENTS / "sobre-https.md")
        body = {"question": "¿Qué es HTTPS?", "min_confidence": 0}
        answer = service.client.post("/v1/answer", json=body)
        assert answer.status_code == 200, answer.text
        made = service.place.run("keys", "create", "metrics", "--scope", "metrics")
        service.client.headers["Authorization"] = f"Bearer {made.stdout.strip()}"
        series = read_series(service.client)
        memory = series["process_resident_memory_bytes"]
        names = {sample.labels["process"] for sample in memory}
        assert names >= {"front", "generate", "ingest", "api-1"}
        assert any(name.startswith("cimiento_generation_") for name in series)
        assert service.stop() == 0
