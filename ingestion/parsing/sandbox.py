"""Run a parser in a process of its own, within limits. A hostile file ends it, not us."""

import json
import os
import re
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

import structlog

from core.errors import CimientoError
from ingestion.errors import (
    ERRORS_BY_CODE,
    MemoryShortError,
    ParseMemoryExceededError,
    ParserCrashedError,
    ParseTimeoutError,
    StageStalledError,
)
from ingestion.parsing.attachments import FOLDER
from ingestion.parsing.child import EXIT_OUT_OF_MEMORY
from ingestion.parsing.confinement import find_missing
from ingestion.parsing.document import ParsedDocument, ParseLimits
from ingestion.parsing.text import refuse_long

log = structlog.get_logger()

OnTick = Callable[[int, int | None], None]
"""Called with the pages done and the pages there are, at least every quarter of a second."""

_CHILD: Final = "ingestion.parsing.child"
_TICK_S: Final = 0.25
# Between the end of its output and its own end a process needs moments.
_GRACE_S: Final = 5.0
_STDERR_BYTES: Final = 4096
_ROOT: Final = Path(__file__).parents[2]
_REPORT: Final = re.compile(rb"(\d{1,9}) (\d{1,9})\n")
_REPORT_BYTES: Final = 20
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
        if missing := find_missing():
            log.warning("parser_not_confined", kernel_lacks=missing)

    def parse(
        self,
        source: Path,
        media_type: str,
        *,
        folder: Path,
        on_tick: OnTick,
        password: str | None = None,
    ) -> ParsedDocument:
        """Parse `source` in a temporary folder below `folder`, which is removed afterwards.

        What was attached to the file is left in `folder`, for `list_attachments`.

        An exception out of `on_tick` kills the parser and is passed on: that is how work is
        cancelled. Raises the errors of `ingestion.errors`.
        """
        work = Path(tempfile.mkdtemp(prefix="parse-", dir=folder))
        try:
            request: dict[str, object] = {
                "source": str(source.absolute()),
                "media_type": media_type,
                "password": password,
                "limits": asdict(self._limits),
            }
            with self._start(request, work) as child:
                self._watch(child, on_tick)
            parsed = _read_outcome(work, child.process.returncode, self._limits)
            _keep_attachments(work, folder)
            return parsed
        finally:
            shutil.rmtree(work, ignore_errors=True)

    @contextmanager
    def _start(self, request: dict[str, object], work: Path) -> Iterator[_Child]:
        read_fd, write_fd = os.pipe()
        request |= {"parent_pid": os.getpid(), "progress_fd": write_fd}
        try:
            with (work / "stderr").open("wb") as stderr:
                process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                    [sys.executable, "-P", "-m", self._child_module],
                    cwd=work,
                    env=_environment(work),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                    pass_fds=(write_fd,),
                    # its own session: one signal reaches everything it may have started
                    start_new_session=True,
                )
            os.close(write_fd)
            write_fd = -1
            try:
                _send(process, request)
                yield _Child(process, read_fd)
            finally:
                _kill_group(process)
        finally:
            os.close(read_fd)
            if write_fd >= 0:
                os.close(write_fd)

    def _watch(self, child: _Child, on_tick: OnTick) -> None:
        started = time.monotonic()
        stalls_at = started + self._limits.page_timeout_s
        poll = select.poll()
        poll.register(child.progress_fd, select.POLLIN)
        tail, pages = b"", _NO_PAGES
        while time.monotonic() < started + self._limits.timeout_s:
            if poll.poll(_TICK_S * 1000):
                data = os.read(child.progress_fd, 65536)
                if not data:
                    self._wait(child.process)
                    return
                tail, newest = _last_pages(tail + data, pages)
                if newest != pages:
                    pages, stalls_at = newest, time.monotonic() + self._limits.page_timeout_s
            if time.monotonic() >= stalls_at:
                raise StageStalledError(
                    f"parsing made no progress for {self._limits.page_timeout_s:g} s after page "
                    f"{pages[0]} (CIMIENTO_INGESTION__PARSE_STALL_S)"
                )
            on_tick(*pages)
        raise ParseTimeoutError(
            f"parsing took longer than {self._limits.timeout_s:g} s "
            "(CIMIENTO_INGESTION__PARSE_TIMEOUT_S)"
        )

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)


def _send(process: subprocess.Popen[bytes], request: dict[str, object]) -> None:
    # Not by argument, which every user of the machine can read: it may hold a password.
    stdin = process.stdin
    if stdin is not None:
        with suppress(BrokenPipeError), stdin:
            stdin.write(json.dumps(request).encode())


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
    # The unfinished last line, and the newest report among the finished ones. What is no report
    # comes from a parser that a file has taken over: it is not believed, and not kept.
    lines = _REPORT.findall(data)
    if lines:
        pages = (int(lines[-1][0]), int(lines[-1][1]))
    return data.rpartition(b"\n")[2][-_REPORT_BYTES:], pages


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _read_outcome(work: Path, returncode: int, limits: ParseLimits) -> ParsedDocument:
    try:
        # no link: a parser that a file has taken over must not name another file as its outcome
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        handle = os.open(work / "outcome.json", flags)
    except FileNotFoundError:
        raise _crash(work, returncode) from None
    except OSError as error:
        raise ParserCrashedError("the parser left no plain file as its outcome") from error
    try:
        with os.fdopen(handle, encoding="utf-8") as file:
            data = file.read()
        parsed = _parsed_or_error(data)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ParserCrashedError("the parser left an outcome that makes no sense") from error
    refuse_long(parsed.text, limits.max_text_chars)
    return parsed


def _parsed_or_error(data: str) -> ParsedDocument:
    try:
        return ParsedDocument.from_json(data)
    except KeyError:
        error = json.loads(data)
        kind = ERRORS_BY_CODE.get(error["code"], ParserCrashedError)
        raise kind(str(error["message"])) from None


def _keep_attachments(work: Path, folder: Path) -> None:
    # of this file alone: an attempt that was cut short may have left its own
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
    if (work / FOLDER).is_dir():
        (work / FOLDER).replace(folder / FOLDER)


def _crash(work: Path, returncode: int) -> CimientoError:
    stderr = (work / "stderr").read_bytes()[-_STDERR_BYTES:]
    if returncode == -signal.SIGXCPU:
        return ParseTimeoutError("parsing used up its processor time")
    if returncode == -signal.SIGKILL:
        # its own limit ends it otherwise: this was the kernel, or somebody with a right to
        return MemoryShortError(
            "the parser was killed from outside, as the kernel does when memory runs out"
        )
    if returncode == EXIT_OUT_OF_MEMORY or b"memory allocation of" in stderr:
        return ParseMemoryExceededError(
            "parsing needs more memory than it may have (CIMIENTO_INGESTION__PARSE_MEMORY_BYTES)"
        )
    if returncode < 0:
        return ParserCrashedError(
            f"the parser was stopped by {signal.Signals(-returncode).name} on this file"
        )
    return ParserCrashedError(f"the parser ended without a result (status {returncode})")
