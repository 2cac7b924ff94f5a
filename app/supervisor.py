"""Keeps one child process alive. Knows nothing of what the child does."""

import subprocess
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

import structlog

_log = structlog.get_logger()

_FIRST_PAUSE_S: Final = 1.0
_MAX_PAUSE_S: Final = 30.0
# A child that lived this long did start; its next death begins with a short pause again.
_HEALTHY_S: Final = 60.0
_STOP_WITHIN_S: Final = 15.0


class Supervisor:
    """Starts a child, starts it again when it dies, and stops it at the end."""

    def __init__(self, command: Sequence[str], *, first_pause_s: float = _FIRST_PAUSE_S) -> None:
        self._command = list(command)
        self._first_pause_s = first_pause_s
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        # The child asks the kernel to die with this thread, so the thread lives as long as it may.
        self._thread = threading.Thread(target=self._keep_alive, name="supervisor", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join()

    def is_alive(self) -> bool:
        """Whether the child runs at this moment."""
        process = self._process
        return process is not None and process.poll() is None

    def _keep_alive(self) -> None:
        pause_s = self._first_pause_s
        while not self._stopping.is_set():
            started_s = time.monotonic()
            # a session of its own: Ctrl-C at the terminal is for the parent, which stops the child
            with subprocess.Popen(self._command, start_new_session=True) as self._process:  # noqa: S603 - our own command
                code = self._watch(self._process)
            if self._stopping.is_set():
                return
            if time.monotonic() - started_s >= _HEALTHY_S:
                pause_s = self._first_pause_s
            _log.warning("child_died", exit_code=code, restart_in_s=pause_s)
            self._stopping.wait(pause_s)
            pause_s = min(pause_s * 2, _MAX_PAUSE_S)

    def _watch(self, process: subprocess.Popen[bytes]) -> int:
        while process.poll() is None:
            if self._stopping.wait(0.2):
                return _stop(process)
        return process.returncode


def _stop(process: subprocess.Popen[bytes]) -> int:
    process.terminate()
    try:
        return process.wait(_STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
