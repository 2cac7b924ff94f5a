"""A service of two processes whose answers wait, after their first word, for a file.

    python -m tests.integration.app.held_processes DATA_DIR DRAIN_S

Prints one line of JSON (port, keys, and the token of a sign-in link) before anything is served. The
file is DATA_DIR/go. Which process serves a request, its responses say in `X-Process`.
"""

import json
import os
import signal
import socket
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.main import create_app
from app.people.credentials import KeyLimits, NewKey
from app.processes.channel import Seat
from app.processes.front import Front
from app.processes.group import ApiProcess, Group
from app.processes.taking import Hand
from app.receiving import receiving
from app.serving import serve_handed
from app.supervisor import Process, child_of
from app.wiring import Models, build_services
from core import access
from core.logs import configure_logs
from core.operator_settings import LogSettings
from core.server_settings import ServerSettings
from core.settings import DatabaseSettings, GenerationSettings, Settings, environment_with
from ingestion.processes import die_with_parent
from tests.databases import is_postgresql, url_of
from tests.fakes import FakeEmbedder
from tests.fakes_generation import FakeGenerator
from tests.unit.app.house import POOL, House

NUM_PROCESSES = 2
MAX_REQUESTS = 6
TOWER = "The lookout tower has two hundred steps. Nobody climbs it in a storm."


def main(data_dir: Path, drain_s: float) -> int:
    """Serve until told to stop."""
    configure_logs(LogSettings(level="error"))
    house = House(data_dir)
    house.add("pool.txt", POOL)
    house.add("tower.txt", TOWER)
    credentials = house.services.credentials
    _, other = credentials.create(NewKey("other"))
    _, limited = credentials.create(NewKey("limited", limits=KeyLimits(MAX_REQUESTS)))
    _, metrics = credentials.create(NewKey("metrics", scopes=frozenset({access.Scope.METRICS})))
    link = house.services.doors.sessions.create_link()
    told = {"key": house.key, "other": other, "limited": limited, "metrics": metrics, "link": link}
    house.close()
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        TemporaryDirectory() as folder,
    ):
        front = Front(listener)
        port = listener.getsockname()[1]
        apis = [
            ApiProcess(
                Seat(f"api-{number}", os.getpid(), folder, ()),
                front,
                partial(start, data_dir, drain_s, port, folder),
                drain_s=drain_s,
            )
            for number in range(1, NUM_PROCESSES + 1)
        ]
        sys.stdout.write(json.dumps({"port": port} | told) + "\n")
        sys.stdout.flush()
        code = Group(front, apis, []).run()
        front.close()
    return code


def start(data_dir: Path, drain_s: float, port: int, folder: str, handle: int) -> Process:
    """A process that serves."""
    told = [str(data_dir), str(drain_s), str(port), str(handle)]
    command = [sys.executable, "-m", "tests.integration.app.held_processes", *told]
    environment = environment_with({"PROMETHEUS_MULTIPROC_DIR": str(folder)})
    return child_of(command, environment=environment, handles=[handle])()


def serve(data_dir: Path, drain_s: float, port: int, handle: int) -> None:
    """One of the processes."""
    channel = socket.socket(fileno=handle)
    seat = Seat.receive(channel)
    die_with_parent(seat.parent_pid, signal.SIGTERM)
    configure_logs(LogSettings(level="error"), process=seat.name)
    settings = Settings(
        data_dir=data_dir,
        database=DatabaseSettings(url=url_of(data_dir) if is_postgresql() else None),
        server=ServerSettings(port=port, drain_s=drain_s),
        generation=GenerationSettings(style="quote", min_confidence=0),
    )
    generator = FakeGenerator()
    generator.may_go_on = (data_dir / "go").exists
    services = build_services(settings, Models(FakeEmbedder(), generator, {}), seat=seat)
    hand = Hand(channel, seat)
    with receiving(services):
        app = create_app(services, web_root=data_dir / "web", conditions=hand.conditions())

        app.add_middleware(SaysWho, name=seat.name)
        serve_handed(app, hand, drain_s=drain_s)
    services.close()


class SaysWho:
    """Adds the process to the head of every response."""

    def __init__(self, app: ASGIApp, *, name: str) -> None:
        self._app = app
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def say(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Process"] = self._name
            await send(message)

        await self._app(scope, receive, say)


if __name__ == "__main__":
    if len(sys.argv) > 3:
        serve(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    else:
        sys.exit(main(Path(sys.argv[1]), float(sys.argv[2])))
