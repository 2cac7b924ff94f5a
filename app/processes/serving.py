"""What runs in several processes behind one address, put together. Imports no model's library."""

import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from app.finding_models import find_answer_model, find_embedding_model
from app.processes.channel import GENERATION_WORKER, INGESTION_WORKER, Seat
from app.processes.front import Front
from app.processes.group import ApiProcess, Group
from app.processes.roll import Roll
from app.supervisor import Process, Supervisor, child_of
from core.settings import Settings, environment_with

_LOOPBACK: Final = "127.0.0.1"
_BACKLOG: Final = 256


@dataclass(frozen=True, slots=True)
class Plan:
    """How many processes serve, on how many threads each embeds questions, and whether they have
    workers of their own.
    """

    num_processes: int
    num_threads: int | None
    is_whole: bool


def serve_processes(settings: Settings, listener: socket.socket, plan: Plan) -> int:
    """Serve until told to stop; returns the exit code. For the main thread.

    Raises `ModelMissingError` and `SettingsError` before anything is started.
    """
    find_embedding_model(settings)
    writes = plan.is_whole and settings.generation.url is None
    if writes:
        find_answer_model(settings)
    with tempfile.TemporaryDirectory(prefix="cimiento-") as folder:
        roll = Roll(Path(folder))
        roll.enter("front", os.getpid())
        with (
            closing(Front(listener)) as front,
            _writing(settings, roll, wanted=writes) as (writers, settings_of_apis),
        ):
            workers = [*writers, *([supervise_ingestion(roll)] if plan.is_whole else [])]
            environment = environment_with(
                {
                    "CIMIENTO_RETRIEVAL__NUM_THREADS": str(plan.num_threads or 0),
                    # where the library for metrics of several processes looks
                    "PROMETHEUS_MULTIPROC_DIR": folder,
                    **settings_of_apis,
                }
            )
            names = tuple(worker.name for worker in workers)
            apis = [
                ApiProcess(
                    Seat(f"api-{number}", os.getpid(), folder, names),
                    front,
                    partial(_start_api, environment),
                    drain_s=settings.server.drain_s,
                )
                for number in range(1, plan.num_processes + 1)
            ]
            return Group(front, apis, workers).run()


@contextmanager
def _writing(
    settings: Settings, roll: Roll, *, wanted: bool
) -> Iterator[tuple[list[Supervisor], dict[str, str]]]:
    """One model for all, where it is wanted: its worker, and the settings that lead to it."""
    if not wanted:
        yield [], {}
        return
    set_key = settings.worker.api_key
    # whoever else is on this machine may reach its port
    key = secrets.token_urlsafe() if set_key is None else set_key.get_secret_value()
    # held open here: what asks while the worker starts again waits for it
    with socket.create_server((_LOOPBACK, 0), backlog=_BACKLOG) as listener:
        handle, port = listener.fileno(), listener.getsockname()[1]
        start = child_of(
            _command("worker", "generate", "--fd", str(handle), "--parent-pid", _own_pid()),
            environment=environment_with({"CIMIENTO_WORKER__API_KEY": key}),
            handles=[handle],
        )
        yield (
            [_supervise(GENERATION_WORKER, "generate", start, roll)],
            {
                "CIMIENTO_GENERATION__URL": f"http://{_LOOPBACK}:{port}",
                "CIMIENTO_GENERATION__API_KEY": key,
            },
        )


def supervise_ingestion(roll: Roll | None = None) -> Supervisor:
    """The ingestion worker that a service brings along; entered where there is a roll."""
    start = child_of(_command("worker", "ingest", "--parent-pid", _own_pid()))
    if roll is None:
        return Supervisor(start, name=INGESTION_WORKER)
    return _supervise(INGESTION_WORKER, "ingest", start, roll)


def _supervise(name: str, short: str, start: Callable[[], Process], roll: Roll) -> Supervisor:
    return Supervisor(
        roll.entering(short, start),
        name=name,
        on_death=lambda process: roll.strike(short, process.pid),
    )


def _start_api(environment: Mapping[str, str], handle: int) -> Process:
    command = _command("serve", "--role", "api", "--channel", str(handle))
    return child_of(command, environment=environment, handles=[handle])()


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "app.cli", *arguments]


def _own_pid() -> str:
    return str(os.getpid())
