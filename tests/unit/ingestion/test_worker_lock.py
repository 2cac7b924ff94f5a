"""One process at a time ingests for a data folder."""

from pathlib import Path

import pytest

from core.errors import AlreadyRunningError
from ingestion.worker_lock import WorkerLock


def test_the_lock_is_held_once_and_free_afterwards(tmp_path: Path) -> None:
    lock, other = WorkerLock(tmp_path), WorkerLock(tmp_path)
    with lock.held(), pytest.raises(AlreadyRunningError), other.held():
        pass
    with other.held():
        pass
