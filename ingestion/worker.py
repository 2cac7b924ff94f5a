"""The ingestion worker as a process: lock, work, stop. Builds nothing; it is handed its parts."""

import os
import signal
import threading
import time
from types import FrameType
from typing import Final

from core.errors import AlreadyRunningError
from ingestion.processes import die_with_parent
from ingestion.worker_lock import WorkerLock
from ingestion.workflow import IngestionWorker

_LOOK_EVERY_S: Final = 1.0


def run_worker(
    worker: IngestionWorker,
    lock: WorkerLock,
    *,
    parent_pid: int | None = None,
    wait_for_lock_s: float = 0.0,
) -> None:
    """Work until SIGTERM or SIGINT, or until the parent dies; for the main thread of a process.

    `parent_pid` ties the worker to the process that started it; None lets it stand alone. Raises
    `AlreadyRunningError` when the lock stays taken for `wait_for_lock_s`.
    """
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    if parent_pid is not None:
        die_with_parent(parent_pid, signal.SIGTERM)
    lock_deadline = time.monotonic() + wait_for_lock_s
    while not stopping.is_set():
        try:
            with lock.held(), worker:
                _wait(stopping, parent_pid)
                stopping.set()
            if worker.abandoned:
                # The interpreter would wait for the step's thread; it resumes at the next start.
                os._exit(0)
        except AlreadyRunningError:
            if time.monotonic() >= lock_deadline:
                raise
            stopping.wait(_LOOK_EVERY_S)


def _wait(stopping: threading.Event, parent_pid: int | None) -> None:
    while not stopping.wait(_LOOK_EVERY_S):
        if parent_pid is not None and os.getppid() != parent_pid:
            return
