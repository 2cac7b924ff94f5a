"""A lock that a process holds and a dead one does not: `flock` on a file."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from core.errors import AlreadyRunningError

_POLL_S: Final = 0.1


@contextlib.contextmanager
def file_lock(path: Path, *, doing: str, wait_s: float, shared: bool = False) -> Iterator[None]:
    """Hold the lock inside the block: alone, or beside others who hold it `shared`.

    Raises `AlreadyRunningError` when it stays taken for `wait_s`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + wait_s
    try:
        while not _try(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX):
            if time.monotonic() >= deadline:
                raise AlreadyRunningError(
                    f"another process {doing} for {path.parent} (it holds {path.name})"
                )
            time.sleep(_POLL_S)
        yield
    finally:
        os.close(handle)


def _try(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
