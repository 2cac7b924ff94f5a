"""The lock of those who receive uploads: the first one in removes what a crash left behind."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def receiving(data_dir: Path, *, sweep: Callable[[], int]) -> Iterator[None]:
    """Hold a shared lock while uploads are received; call `sweep` only if nobody else does."""
    data_dir.mkdir(parents=True, exist_ok=True)
    handle = os.open(data_dir / "receive.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            sweep()
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def is_receiving(data_dir: Path) -> bool:
    """Whether anybody receives uploads at this moment."""
    try:
        with (data_dir / "receive.lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
