"""The lock that says who ingests for a data folder. Held by a process; a dead one holds nothing."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from core.errors import AlreadyRunningError


class WorkerLock:
    """`ingest.lock` in the data folder, by `flock`: the kernel lets go when the holder dies."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "ingest.lock"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock inside the block. Raises `AlreadyRunningError` when it is taken."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise AlreadyRunningError(
                    f"another process ingests for {self._path.parent} (it holds {self._path.name})"
                ) from error
            yield
        finally:
            os.close(handle)
