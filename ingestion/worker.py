"""The ingestion worker as a process: work, stop. Builds nothing; it is handed its parts."""

import os
import signal
import threading
from types import FrameType
from typing import Final

from ingestion.errors import WorkerGivenUpError
from ingestion.processes import die_with_parent
from ingestion.workflow import IngestionWorker

_LOOK_EVERY_S: Final = 1.0


def run_worker(worker: IngestionWorker, *, parent_pid: int | None = None) -> None:
    """Work until SIGTERM or SIGINT, or until the parent dies; for the main thread of a process.

    `parent_pid` ties the worker to the process that started it; None lets it stand alone. Raises
    `WorkerGivenUpError` where the process should be started anew.
    """
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    if parent_pid is not None:
        die_with_parent(parent_pid, signal.SIGTERM)
    with worker:
        _wait(stopping, worker, parent_pid)
    if worker.abandoned:
        # The interpreter would wait for the step's thread; another worker goes on with the work.
        os._exit(1 if worker.is_spent.is_set() else 0)
    if worker.is_spent.is_set():
        raise WorkerGivenUpError("the other workers took the work of this one over")


def _wait(stopping: threading.Event, worker: IngestionWorker, parent_pid: int | None) -> None:
    while not stopping.wait(_LOOK_EVERY_S) and not worker.is_spent.is_set():
        if parent_pid is not None and os.getppid() != parent_pid:
            return
