"""The lock of those who receive uploads. Whoever enters removes what a crash left behind."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.services import Services
from ingestion.sweep import sweep_blobs


@contextmanager
def receiving(services: Services) -> Iterator[None]:
    """Hold a shared lock while uploads are received.

    What is half received is removed only if nobody else receives. Bytes of no document can go at
    any time: a service that died between a deletion's commit and their removal left them, and a
    worker that lives on sweeps only when it starts.
    """
    data_dir = services.settings.data_dir
    data_dir.mkdir(parents=True, exist_ok=True)
    handle = os.open(data_dir / "receive.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            services.blobs.sweep_incoming()
        fcntl.flock(handle, fcntl.LOCK_SH)
        sweep_blobs(services.store)
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
