"""The proxy as HAProxy runs it: streams pass as they come, a caller stays, who drains is left."""

import http.client
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import pytest

from tests.integration.deployment.files import DEPLOY
from tests.integration.waiting import until
from tests.ports import free_port

CALLERS: Final = tuple({"Authorization": f"Bearer {number}"} for number in range(30))


class Api(ThreadingHTTPServer):
    """Stands in for an API: ready or not, and with a stream that goes on when it is told to."""

    daemon_threads = True

    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.name = name
        self.is_ready = True
        self.goes_on = threading.Event()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing: the test's output is for reading."""

    def do_GET(self) -> None:
        api = self.server
        assert isinstance(api, Api)
        if self.path == "/stream":
            self._begin(200, {"Transfer-Encoding": "chunked"})
            self.wfile.write(b"5\r\nfirst\r\n")
            api.goes_on.wait(60)
            self.wfile.write(b"4\r\nlast\r\n0\r\n\r\n")
            return
        is_well = api.is_ready or self.path != "/health/ready"
        body = api.name.encode()
        self._begin(200 if is_well else 503, {"Content-Length": str(len(body))})
        self.wfile.write(body)

    def _begin(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


@dataclass(frozen=True, slots=True)
class Site:
    """A proxy before two APIs."""

    port: int
    apis: tuple[Api, Api] = field(default_factory=lambda: (Api("a"), Api("b")))

    def ask(self, path: str = "/", **headers: str) -> tuple[int, str]:
        """Status and body; 0 where nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except OSError:
            return 0, ""
        finally:
            connection.close()

    def who_answers(self) -> set[str]:
        """The APIs that many callers reach."""
        return {self.ask(**caller)[1] for caller in CALLERS}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    haproxy = shutil.which("haproxy")
    if haproxy is None:
        pytest.skip("haproxy is missing: it runs the proxy's configuration")
    site = Site(free_port())
    text = (DEPLOY / "proxy" / "haproxy.cfg").read_text(encoding="utf-8")
    servers = "\n    ".join(f"server {api.name} 127.0.0.1:{api.server_port}" for api in site.apis)
    changes = {
        "bind :8420": f"bind 127.0.0.1:{site.port}",
        "bind :8404": f"bind 127.0.0.1:{free_port()}",
        # no name here leads to two addresses
        " resolvers names init-addr none": "",
        'server-template api 1-16 "${API_ADDRESS}"': servers,
    }
    for old, new in changes.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    config = tmp_path / "haproxy.cfg"
    config.write_text(text)
    for api in site.apis:
        threading.Thread(target=api.serve_forever, daemon=True).start()
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([haproxy, "-f", config], stdout=log, stderr=log)
    try:
        until(lambda: process.poll() is not None or site.who_answers() == {"a", "b"})
        assert process.poll() is None, (tmp_path / "log").read_text()
        yield site
    finally:
        process.terminate()
        process.wait(60)
        for api in site.apis:
            api.goes_on.set()
            api.shutdown()
            api.server_close()


def test_a_caller_stays_with_one_api(site: Site) -> None:
    for headers in ({"Authorization": "Bearer 7"}, {"Cookie": "cimiento_session=abc"}):
        assert len({site.ask(**headers) for _ in range(12)}) == 1


def test_a_stream_passes_as_it_comes(site: Site) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)
    connection.request("GET", "/stream")
    response = connection.getresponse()
    # the rest is not written before this has arrived
    assert response.read(5) == b"first"
    for api in site.apis:
        api.goes_on.set()
    assert response.read() == b"last"
    connection.close()


def test_who_is_not_ready_is_left_and_comes_back(site: Site) -> None:
    first, _ = site.apis
    first.is_ready = False
    until(lambda: site.who_answers() == {"b"})
    first.is_ready = True
    until(lambda: site.who_answers() == {"a", "b"})
