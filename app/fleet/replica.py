"""A replica of the fleet: our generation worker, with a door of its own beside Ray Serve's.

The API's pool asks each worker at its own address, so that Ray is in the way of no token and the
pool keeps prompts that begin alike together. Serve's address answers too, for any client, and names
the workers. Serve starts, counts, replaces and ends replicas; it routes nothing of ours.
"""

import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

import structlog
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from app.fleet.directory import REPORT_EVERY_S
from app.fleet.errors import FleetFailedError
from core.worker_settings import WorkerSettings
from generation.worker.app import create_app
from generation.worker.routes import FLEET
from generation.worker.serving import listen
from generation.worker.state import Phase, ServedModel, Worker

_log = structlog.get_logger()

_PORTS: Final = 100
_POLL_S: Final = 0.1


class Reporter(Protocol):
    """The way to the directory; what fails is tried again at the next report."""

    def report(self, url: str) -> Sequence[str]:
        """Say that this worker serves; the addresses of all that do."""
        ...

    def leave(self, url: str) -> None:
        """Say that it does not any more."""
        ...


class Replica:
    """A loaded worker that listens and reports. `drain`, then `close` it."""

    def __init__(self, served: ServedModel, settings: WorkerSettings, reporter: Reporter) -> None:
        """Returns once the model is loaded. Raises FleetFailedError, also where no port is free."""
        self._settings = settings
        self._reporter = reporter
        self._worker = Worker(served, settings)
        self._app = create_app(self._worker)
        self._ended = threading.Event()
        self._workers: tuple[str, ...] = ()
        self._load()
        self._server, self._serving = self._open_door()
        threading.Thread(target=self._report, name="fleet-report", daemon=True).start()

    def door(self) -> ASGIApp:
        """The application as Serve's address shows it: with the addresses of all workers."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                # the worker has been started, and ends by `drain`
                await _answer_lifespan(receive, send)
                return
            await self._app({**scope, FLEET: self._workers}, receive, send)

        return app

    @property
    def num_under_way(self) -> int:
        """Texts that are written or wait for their turn."""
        stats = self._worker.find_stats()
        return 0 if stats is None else stats.num_running + stats.num_waiting

    def check(self) -> None:
        """Raise FleetFailedError where this replica cannot serve any more."""
        if not self._serving.is_alive():
            raise FleetFailedError(f"nothing listens at {self.url} any more")

    def drain(self) -> None:
        """Let nothing new in, and wait until what is under way has ended, or its time is over."""
        self._ended.set()
        self._worker.drain()
        self._leave()
        until_s = time.monotonic() + self._settings.drain_s
        while self._worker.num_under_way and time.monotonic() < until_s:
            time.sleep(_POLL_S)
        self.close()

    def close(self) -> None:
        """End what is still under way, and the door."""
        self._ended.set()
        self._worker.close()
        self._server.should_exit = True
        self._serving.join()

    def _load(self) -> None:
        self._worker.start()
        while self._worker.phase is Phase.LOADING:
            time.sleep(_POLL_S)
        if self._worker.failure is not None:
            raise FleetFailedError(f"the model could not be loaded: {self._worker.failure}")

    def _open_door(self) -> tuple[uvicorn.Server, threading.Thread]:
        settings = self._settings
        listener = _first_free(settings.host, settings.port, send_timeout_s=settings.send_timeout_s)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.url = f"http://{host}:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            self._app, log_config=None, access_log=False, server_header=False, lifespan="off"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="fleet-door", daemon=True
        )
        thread.start()
        _log.info("fleet_worker_serves", url=self.url, model=self._worker.model)
        return server, thread

    def _report(self) -> None:
        while not self._ended.is_set():
            try:
                self._workers = tuple(self._reporter.report(self.url))
            except Exception as error:  # noqa: BLE001 - the worker loop classifies and records
                # the list of before stays: who is on it is asked at its own address
                _log.warning("fleet_report_failed", url=self.url, error=repr(error))
            self._ended.wait(REPORT_EVERY_S)

    def _leave(self) -> None:
        try:
            self._reporter.leave(self.url)
        except Exception as error:  # noqa: BLE001 - the worker loop classifies and records
            _log.warning("fleet_report_failed", url=self.url, error=repr(error))


def _first_free(host: str, first_port: int, *, send_timeout_s: float) -> socket.socket:
    # in order, and not any: a replica that is replaced comes back at the address of the old one,
    # and a firewall knows which ports to let through
    for port in range(first_port, first_port + _PORTS):
        with suppress(OSError):
            return listen(host, port, send_timeout_s=send_timeout_s)
    raise FleetFailedError(f"no port of {host} from {first_port} to {port} is free")


async def _answer_lifespan(receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": f"{message['type']}.complete"})
