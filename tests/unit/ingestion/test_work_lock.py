"""Many work on documents at once; who tidies up is alone."""

from pathlib import Path

import pytest

from core.errors import AlreadyRunningError
from ingestion.work_lock import WorkLock


def test_many_work_and_one_is_alone(tmp_path: Path) -> None:
    lock, other = WorkLock(tmp_path), WorkLock(tmp_path)
    with lock.working(), other.working(), pytest.raises(AlreadyRunningError), lock.alone():
        pass
    with lock.alone(), pytest.raises(AlreadyRunningError), other.alone():
        pass
    with other.working():
        pass
