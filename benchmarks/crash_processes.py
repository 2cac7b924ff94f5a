"""The processes of the crash matrix: the real worker command and the real HTTP application.

They are forked from a server that has imported everything, because imports cost more than the
moments that matter. A killed process leaves nothing to the next but what is on disk.
"""

import multiprocessing
import multiprocessing.process
import os
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

# What the fork server imports once.
import faiss  # noqa: F401 - loaded once, for the processes forked from this one
import httpx2
import uvicorn

from app.cli.serve import embedding_threads
from app.cli.worker import generate, ingest
from app.main import create_app
from app.receiving import receiving
from app.wiring import build_models, build_services
from core.settings import load_settings

_READY_WITHIN_S: Final = 120.0
_STOP_WITHIN_S: Final = 60.0
_CONTEXT: Final = multiprocessing.get_context("forkserver")


def prepare() -> None:
    """Import everything once; the environment of this moment is that of every process."""
    _CONTEXT.set_forkserver_preload([__name__])


class KilledProcess:
    """A process that is started, killed and started again."""

    def __init__(self, target: object, *arguments: object, log: Path) -> None:
        self._target = target
        self._arguments = arguments
        self._log = log
        self._process: multiprocessing.process.BaseProcess | None = None

    def start(self) -> None:
        """Start it anew."""
        arguments = (self._target, str(self._log), *self._arguments)
        self._process = _CONTEXT.Process(target=_run, args=arguments)
        self._process.start()

    @property
    def is_alive(self) -> bool:
        """Whether it runs: a worker that was given up ends by itself."""
        return self._process is not None and self._process.is_alive()

    def kill(self) -> None:
        """kill -9: nothing of the process runs any more when this returns."""
        assert self._process is not None
        self._process.kill()
        self._process.join()

    def stop(self) -> None:
        """Ask it to end."""
        assert self._process is not None
        if self._process.pid is not None and self._process.is_alive():
            os.kill(self._process.pid, signal.SIGTERM)
        self._process.join(_STOP_WITHIN_S)
        if self._process.is_alive():
            self.kill()


def work() -> None:
    """`cimiento worker ingest`, standing alone."""
    ingest(parent_pid=None)


def serve(port: int) -> None:
    """The HTTP application of `cimiento serve`, without its supervised worker."""
    settings = load_settings()
    threads = embedding_threads(settings)
    services = build_services(settings, build_models(settings, embedding_threads=threads))
    with (
        socket.socket() as listener,
        receiving(services),
    ):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        config = uvicorn.Config(create_app(services), log_config=None, access_log=False)
        uvicorn.Server(config).run(sockets=[listener])


def write(port: int) -> None:
    """`cimiento worker generate` at this port."""
    generate(port=port)


def wait_until_listening(client: httpx2.Client) -> None:
    """Wait until the service answers; what is not loaded yet is loaded by the first question."""
    deadline = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline:
        with suppress(httpx2.TransportError):
            if client.get("/health/live").status_code == httpx2.codes.OK:
                return
        time.sleep(0.05)
    raise TimeoutError("the service did not start; see its log in the data folder")


def _run(target: object, log: str, *arguments: object) -> None:
    with Path(log).open("ab") as output:
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
    assert callable(target)
    target(*arguments)
