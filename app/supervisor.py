"""Keeps one child process alive. Knows nothing of what the child does."""

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Final, Self

import structlog

_log = structlog.get_logger()

_FIRST_PAUSE_S: Final = 1.0
_MAX_PAUSE_S: Final = 30.0
# A child that lived this long did start; its next death begins with a short pause again.
_HEALTHY_S: Final = 60.0
_STOP_WITHIN_S: Final = 15.0

Process = subprocess.Popen[bytes]


class Supervisor:
    """Starts a child, starts it again when it dies, and stops it at the end."""

    def __init__(
        self,
        start: Callable[[], Process],
        *,
        name: str = "",
        first_pause_s: float = _FIRST_PAUSE_S,
        stop_within_s: float = _STOP_WITHIN_S,
        on_death: Callable[[Process], None] = lambda _process: None,
    ) -> None:
        """name: of the child, in the log. on_death: told of each that ended, from a thread."""
        self.name = name
        self._start = start
        self._first_pause_s = first_pause_s
        self._stop_within_s = stop_within_s
        self._on_death = on_death
        self._stopping = threading.Event()
        self._process: Process | None = None
        # The child asks the kernel to die with this thread, so the thread lives as long as it may.
        self._thread = threading.Thread(target=self._keep_alive, name="supervisor", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.begin_stop()
        self.join()

    def start(self) -> None:
        """Start the child, in a thread that ends with it."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the end of a child that was told to end."""
        self._thread.join()

    @property
    def has_ended(self) -> bool:
        """Whether the child was stopped and has ended."""
        return self._stopping.is_set() and not self._thread.is_alive()

    def is_alive(self) -> bool:
        """Whether the child runs at this moment."""
        process = self._process
        return process is not None and process.poll() is None

    def begin_stop(self) -> None:
        """Have the child end, and start no other; returns at once."""
        self._stopping.set()

    def insist(self) -> None:
        """Tell a child that is to end once more."""
        process = self._process
        if process is not None:
            process.send_signal(signal.SIGTERM)

    def _keep_alive(self) -> None:
        pause_s = self._first_pause_s
        while not self._stopping.is_set():
            started_s = time.monotonic()
            code = self._run()
            if self._stopping.is_set():
                return
            if time.monotonic() - started_s >= _HEALTHY_S:
                pause_s = self._first_pause_s
            _log.warning("child_died", child=self.name, exit_code=code, restart_in_s=pause_s)
            self._stopping.wait(pause_s)
            pause_s = min(pause_s * 2, _MAX_PAUSE_S)

    def _run(self) -> int | None:
        """Start the child and wait for its end: its exit code; None where it could not start."""
        try:
            self._process = self._start()
        except OSError as error:
            # no memory or no process more, as it is while others take them all
            _log.warning("child_not_started", child=self.name, reason=str(error))
            return None
        with self._process:
            code = self._watch(self._process)
        self._on_death(self._process)
        return code

    def _watch(self, process: Process) -> int:
        while process.poll() is None:
            if self._stopping.wait(0.2):
                return self._stop(process)
        return process.returncode

    def _stop(self, process: Process) -> int:
        process.terminate()
        try:
            return process.wait(self._stop_within_s)
        except subprocess.TimeoutExpired:
            _log.warning("child_killed", child=self.name, after_s=self._stop_within_s)
            process.kill()
            return process.wait()


def child_of(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    handles: Sequence[int] = (),
) -> Callable[[], Process]:
    """How a command is started as a child, with these open files of ours; by default with the
    environment of this process.
    """

    def start() -> Process:
        return subprocess.Popen(  # noqa: S603 - our own command
            list(command),
            env=environment,
            pass_fds=tuple(handles),
            # a session of its own: Ctrl-C at the terminal is for the parent, which stops the child
            start_new_session=True,
        )

    return start
