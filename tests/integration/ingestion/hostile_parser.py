"""A parser's process that does what the file says: for tests of the sandbox, and only there."""

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from ingestion.parsing import child
from ingestion.parsing.document import ParsedDocument, ParseLimits, Report


def parse(path: Path, _limits: ParseLimits, report: Report) -> ParsedDocument:
    """Misbehave as the file's first word asks; look around where it asks for nothing bad."""
    order = path.read_text().split()[0]
    if order == "sleep":
        Path("pid").write_text(str(os.getpid()))
        report(1, 2)
        time.sleep(600)
    if order == "creep":
        for page in range(1, 10_000):
            report(page, 10_000)
            time.sleep(0.1)
    if order in _DEEDS:
        return ParsedDocument(_DEEDS[order]())
    names = sorted(entry.name for entry in Path().iterdir())
    arguments = Path("/proc/self/cmdline").read_bytes()
    return ParsedDocument(
        f"environment: {sorted(os.environ)}; arguments: {arguments!r}; "  # noqa: TID251
        f"files: {names}"
    )


def _loop() -> str:
    while True:
        pass


def _eat() -> str:
    return str(len([bytearray(1 << 24) for _ in range(1 << 10)]))


def _fill() -> str:
    # written to, so that it is there
    return str(len([bytearray(b"x") * (1 << 24) for _ in range(1 << 10)]))


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


def _babble() -> str:
    pipes = [path for path in Path("/proc/self/fd").iterdir() if _is_pipe(path)]
    progress_fd = max(int(path.name) for path in pipes)
    os.write(progress_fd, b"no report \xff\n" * 5_000 + b"x" * 1_000 + b"\n3 4\n")
    return "went on"


def _is_pipe(path: Path) -> bool:
    try:
        return str(path.readlink()).startswith("pipe:")
    except OSError:
        return False


def _point_elsewhere() -> str:
    # as native code would, past Python and its hook
    _libc().symlink(b"/etc/passwd", b"outcome.json")
    return "held"


def _mumble() -> str:
    Path("outcome.json").write_text('{"text": 7, "page_starts": null}')
    os._exit(0)


def _escape() -> str:
    """Try what native code could; returns what worked."""
    libc = _libc()
    attempts: dict[str, Callable[[], int]] = {
        "socket": lambda: libc.socket(2, 1, 0),
        "socket6": lambda: libc.socket(10, 2, 0),
        "fork": libc.fork,
        "exec": lambda: libc.execl(b"/bin/true", b"true", None),
        "signal": lambda: libc.kill(os.getppid(), 0),
        "trace": lambda: libc.ptrace(16, os.getppid(), None, None),
        "link": lambda: libc.symlink(b"/etc/passwd", b"link"),
        "write": lambda: libc.open(b"../written", os.O_CREAT | os.O_WRONLY, 0o600),
        "append": lambda: libc.open(b"../secret", os.O_APPEND | os.O_WRONLY),
        "read": lambda: libc.open(b"../secret", os.O_RDONLY),
        "environment": lambda: libc.open(b"/proc/%d/environ" % os.getppid(), os.O_RDONLY),
    }
    return "worked: " + ", ".join(name for name, attempt in attempts.items() if attempt() >= 0)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _raise() -> str:
    raise KeyError("some words of the document")


_DEEDS: dict[str, Callable[[], str]] = {
    "loop": _loop,
    "eat": _eat,
    "fill": _fill,
    "crash": _crash,
    "vanish": _vanish,
    "flood": _flood,
    "spawn": _spawn,
    "connect": _connect,
    "raise": _raise,
    "babble": _babble,
    "escape": _escape,
    "mumble": _mumble,
    "elsewhere": _point_elsewhere,
}

if __name__ == "__main__":
    child.PARSERS["text/plain"] = "tests.integration.ingestion.hostile_parser:parse"
    child.main()
