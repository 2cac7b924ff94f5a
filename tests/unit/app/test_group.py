"""The processes of one address as a whole: what ends it, and with which exit code."""

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.processes.channel import Seat
from app.processes.front import Front
from app.processes.group import ApiProcess, Group
from app.supervisor import Process, Supervisor, child_of
from tests.unit.app.test_processes import child

Start = Callable[[int], Process]


@pytest.fixture
def front() -> Iterator[Front]:
    with socket.create_server(("127.0.0.1", 0)) as listener, closing(Front(listener)) as front:
        yield front


def at(source: str) -> Start:
    """A process that runs a few lines, with the number of its end of the channel as HANDLE."""
    return lambda handle: child_of(child(source.replace("HANDLE", str(handle))), handles=[handle])()


def apis(front: Front, folder: Path, start: Start, number: int = 2) -> list[ApiProcess]:
    """So many that are all started like that."""
    return [
        ApiProcess(Seat(f"api-{each}", 1, str(folder), ()), front, start, drain_s=60)
        for each in range(number)
    ]


@pytest.mark.parametrize(("code", "told"), [(1, 1), (2, 2), (9, 1), (0, 1)])
def test_where_the_first_cannot_start_no_other_is_started(
    front: Front, tmp_path: Path, code: int, told: int
) -> None:
    births = tmp_path / "births"
    source = f"open({str(births)!r}, 'a').write('x'); raise SystemExit({code})"
    assert Group(front, apis(front, tmp_path, at(source)), []).run() == told
    assert births.read_text() == "x"
    assert list(tmp_path.glob("*.pid")) == []


ENDS = """
import os, pathlib, signal, socket, time
folder = pathlib.Path(FOLDER)
def end(*_):
    with (folder / "ends").open("a") as ends:
        ends.write("NAME ")
    raise SystemExit
signal.signal(signal.SIGTERM, end)
"""
WORKS = """
(folder / "works").touch()
time.sleep(600)
"""
SERVES = """
channel = socket.socket(fileno=HANDLE)
channel.send(b"u")
while not (folder / "works").exists():
    time.sleep(0.01)
os.kill(os.getppid(), signal.SIGTERM)
time.sleep(600)
"""


def test_a_signal_ends_the_processes_and_then_the_workers(front: Front, tmp_path: Path) -> None:
    ends = ENDS.replace("FOLDER", repr(str(tmp_path)))
    worker = Supervisor(child_of(child(ends.replace("NAME", "worker") + WORKS)), name="worker")
    serving = at(ends.replace("NAME", "api") + SERVES)
    assert Group(front, apis(front, tmp_path, serving, 1), [worker]).run() == 0
    assert (tmp_path / "ends").read_text() == "api worker "
