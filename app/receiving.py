"""The lock of those who receive uploads. Whoever enters removes what a crash left behind."""

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import structlog

from app.services import Services
from core.errors import AlreadyRunningError, BlobStoreRefusedError, BlobStoreUnavailableError
from core.locks import file_lock
from ingestion.sweep import sweep_blobs

log = structlog.get_logger()

_LOCK: Final = "receive.lock"
_DOING: Final = "receives uploads"


@contextmanager
def receiving(services: Services) -> Iterator[None]:
    """Hold a shared lock while uploads are received.

    What is half received is removed only if nobody else receives. Bytes of no document can go at
    any time: a service that died between a deletion's commit and their removal left them, and a
    worker that lives on sweeps only when it starts.
    """
    lock = services.settings.data_dir / _LOCK
    with suppress(AlreadyRunningError), file_lock(lock, doing=_DOING, wait_s=0.0):
        services.blobs.sweep_incoming()
    with file_lock(lock, doing=_DOING, wait_s=math.inf, shared=True):
        try:
            sweep_blobs(services.store)
        except (BlobStoreUnavailableError, BlobStoreRefusedError) as error:
            # searches and answers need no store
            log.warning("blobs_not_swept", reason=str(error))
        yield


def is_receiving(data_dir: Path) -> bool:
    """Whether anybody receives uploads at this moment."""
    try:
        with file_lock(data_dir / _LOCK, doing=_DOING, wait_s=0.0):
            return False
    except AlreadyRunningError:
        return True
