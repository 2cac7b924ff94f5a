"""The lock between work on documents and tidying up. Shared by those who work; knows no queue."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from core.errors import AlreadyRunningError


class WorkLock:
    """`ingest.lock` in the data folder, by `flock`: the kernel lets go when a holder dies."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "ingest.lock"

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Work on a document inside the block, beside others who do; waits while one is alone."""
        with self._opened() as handle:
            fcntl.flock(handle, fcntl.LOCK_SH)
            yield

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody works on a document during the block: what no row names, nobody needs.

        Raises `AlreadyRunningError` where somebody does.
        """
        with self._opened() as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise AlreadyRunningError(
                    f"documents of {self._path.parent} are being worked on"
                ) from error
            yield

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            yield handle
        finally:
            os.close(handle)
