"""Hosts with folders of their own share a database and a bucket, and nothing else."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.databases import postgresql_of
from tests.e2e.service import DOCUMENTS, Place, Service, start
from tests.ports import free_port
from tests.s3 import S3Server, serving_s3

_PAGE = DOCUMENTS / "sobre-https.md"
_QUESTION = "¿Qué puerto usa HTTPS?"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[S3Server]:
    """The bucket."""
    with serving_s3(tmp_path / "s3") as server:
        yield server


@contextmanager
def running(place: Place, *arguments: str) -> Iterator[None]:
    """A worker, stopped at the end."""
    process = start(place, place.data_dir / "worker.log", *arguments)
    try:
        yield
        assert process.poll() is None, (place.data_dir / "worker.log").read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=120)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


@contextmanager
def beginning(place: Place) -> Iterator[Service]:
    """An API that is on its way, stopped at the end."""
    service = Service(place, place.data_dir / "serve.log", "--role", "api")
    try:
        yield service
    finally:
        service.client.close()
        if service.process.poll() is None:
            service.stop()


def found(service: Service, query: str) -> list[str]:
    """The names of the documents that a search finds."""
    response = service.client.post("/v1/search", json={"query": query})
    assert response.status_code == 200, response.text
    return [each["document_name"] for each in response.json()["passages"]]


def folders(place: Place, name: str) -> list[Path]:
    """What lies in a folder of a host's own."""
    folder = place.data_dir / name
    return sorted(folder.iterdir()) if folder.is_dir() else []


@pytest.mark.weights
def test_what_one_host_takes_in_every_host_answers_from_and_forgets(
    new_place: Callable[[], Place], server: S3Server, tmp_path: Path
) -> None:
    port = free_port()
    shared = {
        **server.environment(),
        "CIMIENTO_DATABASE__URL": postgresql_of(tmp_path),
        "CIMIENTO_GENERATION__URL": f"http://127.0.0.1:{port}",
    }
    one, two, three = (replace(new_place(), more=shared) for _ in range(3))
    # it has no documents: it is told of no store
    model = replace(new_place(), more={})
    with ExitStack() as stack:
        stack.enter_context(running(model, "worker", "generate", "--port", str(port)))
        stack.enter_context(running(three, "worker", "ingest"))
        first, second = (stack.enter_context(beginning(place)) for place in (one, two))
        for service in (first, second):
            service.wait_until_ready()
        first.sign_in_with_key()
        second.client.headers = first.client.headers
        accepted = first.add(_PAGE)
        for service in (first, second):
            assert _PAGE.name in found(service, _QUESTION)
            answer = service.ask(_QUESTION)
            assert answer["status"] == "answered", answer
            assert answer["citations"][0]["document_id"] == accepted["document_id"]
            assert _bytes_of(service, accepted) == _PAGE.read_bytes()
        # each came by the bucket, and by nothing else
        assert folders(one, "blobs") == folders(two, "blobs") == []
        assert len(folders(one, "segments")) == len(folders(two, "segments")) == 1
        doctor = two.run("doctor")
        assert "ok       blob store" in doctor.stdout, doctor.stdout

        deleted = second.client.delete(f"/v1/documents/{accepted['document_id']}")
        assert deleted.status_code == 200, deleted.text
        for service in (first, second):
            assert found(service, _QUESTION) == []
            assert service.ask(_QUESTION)["status"] == "refused"
            gone = service.client.get(f"/v1/documents/{accepted['document_id']}/content")
            assert gone.status_code == 404
        assert [path for path in server.files() if accepted["sha256"] in path.name] == []
        verified = two.run("verify")
        assert verified.returncode == 0, verified.stdout


def _bytes_of(service: Service, accepted: dict[str, Any]) -> bytes:
    response = service.client.get(f"/v1/documents/{accepted['document_id']}/content")
    assert response.status_code == 200, response.text
    return bytes(response.content)
