"""A parser's process that does what the file says: for tests of the sandbox, and only there."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ingestion.parsing import child
from ingestion.parsing.document import ParsedDocument, ParseLimits, Report


def parse(path: Path, _limits: ParseLimits, report: Report) -> ParsedDocument:
    """Misbehave as the file's first word asks; look around where it asks for nothing bad."""
    order = path.read_text().split()[0]
    if order == "sleep":
        Path("../pid").write_text(str(os.getpid()))
        report(1, 2)
        time.sleep(60)
    if order in _DEEDS:
        return ParsedDocument(_DEEDS[order]())
    names = sorted(entry.name for entry in Path().iterdir())
    return ParsedDocument(f"environment: {sorted(os.environ)}; files: {names}")  # noqa: TID251


def _loop() -> str:
    while True:
        pass


def _eat() -> str:
    return str(len([bytearray(1 << 24) for _ in range(1 << 10)]))


def _crash() -> str:
    os.kill(os.getpid(), signal.SIGSEGV)
    return ""


def _vanish() -> str:
    os._exit(3)


def _flood() -> str:
    return "x" * 200_000_000


def _spawn() -> str:
    return str(subprocess.run(["true"], check=True))


def _connect() -> str:
    return str(socket.create_connection(("127.0.0.1", 9), timeout=1))


def _raise() -> str:
    raise KeyError("some words of the document")


_DEEDS: dict[str, Callable[[], str]] = {
    "loop": _loop,
    "eat": _eat,
    "crash": _crash,
    "vanish": _vanish,
    "flood": _flood,
    "spawn": _spawn,
    "connect": _connect,
    "raise": _raise,
}

if __name__ == "__main__":
    child.PARSERS["text/plain"] = "tests.integration.ingestion.hostile_parser:parse"
    child.main(sys.argv[1])
