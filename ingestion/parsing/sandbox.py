"""Run a parser in a process of its own, within limits. A hostile file ends it, not us."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from core.errors import CimientoError
from ingestion.errors import (
    ERRORS_BY_CODE,
    ParseMemoryExceededError,
    ParserCrashedError,
    ParseTimeoutError,
)
from ingestion.parsing.attachments import FOLDER
from ingestion.parsing.child import EXIT_OUT_OF_MEMORY
from ingestion.parsing.document import ParsedDocument, ParseLimits

OnTick = Callable[[int, int | None], None]
"""Called with the pages done and the pages there are, at least every quarter of a second."""

_CHILD: Final = "ingestion.parsing.child"
_TICK_S: Final = 0.25
# Between the end of its output and its own end a process needs moments.
_GRACE_S: Final = 5.0
_STDERR_BYTES: Final = 4096
_ROOT: Final = Path(__file__).parents[2]
_NO_PAGES: Final[tuple[int, int | None]] = (0, None)


@dataclass(frozen=True, slots=True)
class _Child:
    process: subprocess.Popen[bytes]
    progress_fd: int


class Sandbox:
    """Parses one file at a time per call; safe to call from several threads."""

    def __init__(self, limits: ParseLimits, *, child_module: str = _CHILD) -> None:
        self._limits = limits
        self._child_module = child_module

    def parse(
        self, source: Path, media_type: str, *, folder: Path, on_tick: OnTick
    ) -> ParsedDocument:
        """Parse `source` in a temporary folder below `folder`, which is removed afterwards.

        What was attached to the file is left in `folder`, for `list_attachments`.

        An exception out of `on_tick` kills the parser and is passed on: that is how work is
        cancelled. Raises the errors of `ingestion.errors`.
        """
        work = Path(tempfile.mkdtemp(prefix="parse-", dir=folder))
        try:
            with self._start(source, media_type, work) as child:
                self._watch(child, on_tick)
            parsed = _read_outcome(work, child.process.returncode)
            _keep_attachments(work, folder)
            return parsed
        finally:
            shutil.rmtree(work, ignore_errors=True)

    @contextmanager
    def _start(self, source: Path, media_type: str, work: Path) -> Iterator[_Child]:
        read_fd, write_fd = os.pipe()
        request = {
            "source": str(source.absolute()),
            "media_type": media_type,
            "parent_pid": os.getpid(),
            "progress_fd": write_fd,
            "limits": asdict(self._limits),
        }
        try:
            with (work / "stderr").open("wb") as stderr:
                process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                    [sys.executable, "-P", "-m", self._child_module, json.dumps(request)],
                    cwd=work,
                    env=_environment(work),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                    pass_fds=(write_fd,),
                    # its own session: one signal reaches everything it may have started
                    start_new_session=True,
                )
            os.close(write_fd)
            write_fd = -1
            try:
                yield _Child(process, read_fd)
            finally:
                _kill_group(process)
        finally:
            os.close(read_fd)
            if write_fd >= 0:
                os.close(write_fd)

    def _watch(self, child: _Child, on_tick: OnTick) -> None:
        deadline = time.monotonic() + self._limits.timeout_s
        poll = select.poll()
        poll.register(child.progress_fd, select.POLLIN)
        tail, pages = b"", _NO_PAGES
        while time.monotonic() < deadline:
            if poll.poll(_TICK_S * 1000):
                data = os.read(child.progress_fd, 65536)
                if not data:
                    self._wait(child.process)
                    return
                tail, pages = _last_pages(tail + data, pages)
            on_tick(*pages)
        raise ParseTimeoutError(
            f"parsing took longer than {self._limits.timeout_s:g} s "
            "(CIMIENTO_INGESTION__PARSE_TIMEOUT_S)"
        )

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)


def _environment(work: Path) -> dict[str, str]:
    # Nothing of ours is inherited: no keys, no proxies, no settings.
    return {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(_ROOT),
        "LANG": "C.UTF-8",
        "HOME": str(work),
        "TMPDIR": str(work),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def _last_pages(data: bytes, pages: tuple[int, int | None]) -> tuple[bytes, tuple[int, int | None]]:
    # the unfinished last line, and the newest report among the finished ones
    *lines, tail = data.split(b"\n")
    if lines:
        done, _, total = lines[-1].partition(b" ")
        pages = (int(done), int(total))
    return tail, pages


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _read_outcome(work: Path, returncode: int) -> ParsedDocument:
    try:
        data = (work / "outcome.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise _crash(work, returncode) from None
    try:
        return ParsedDocument.from_json(data)
    except KeyError:
        error = json.loads(data)
        raise ERRORS_BY_CODE.get(error["code"], ParserCrashedError)(error["message"]) from None


def _keep_attachments(work: Path, folder: Path) -> None:
    # of this file alone: an attempt that was cut short may have left its own
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
    if (work / FOLDER).is_dir():
        (work / FOLDER).replace(folder / FOLDER)


def _crash(work: Path, returncode: int) -> CimientoError:
    stderr = (work / "stderr").read_bytes()[-_STDERR_BYTES:]
    if returncode == -signal.SIGXCPU:
        return ParseTimeoutError("parsing used up its processor time")
    if returncode in (EXIT_OUT_OF_MEMORY, -signal.SIGKILL) or b"memory allocation of" in stderr:
        return ParseMemoryExceededError(
            "parsing needs more memory than it may have (CIMIENTO_INGESTION__PARSE_MEMORY_BYTES)"
        )
    if returncode < 0:
        return ParserCrashedError(
            f"the parser was stopped by {signal.Signals(-returncode).name} on this file"
        )
    return ParserCrashedError(f"the parser ended without a result (status {returncode})")
