"""The database's file is rewritten where something was deleted, at most once in a while."""

import os
import time

import pytest

from core.errors import AlreadyRunningError
from core.locks import file_lock
from ingestion.compaction import Compactions
from tests.unit.ingestion.house import EVERYTHING, House

pytestmark = pytest.mark.sqlite


def _compactions(house: House, *, max_bytes: int = 1 << 30) -> Compactions:
    return Compactions(house.database, house.data_dir, every_s=3600.0, max_bytes=max_bytes)


def _an_hour_passes(house: House) -> None:
    os.utime(house.data_dir / "compacted", (time.time() - 4000,) * 2)


def _delete_one(house: House) -> None:
    accepted = house.add("a.md", b"# A\nwords of it")
    house.documents.delete(accepted.document_id, EVERYTHING)


def test_it_is_due_an_hour_after_the_first_look_if_something_was_deleted(house: House) -> None:
    compactions = _compactions(house)
    assert not compactions.compact_if_due()
    _delete_one(house)
    assert not compactions.compact_if_due()
    _an_hour_passes(house)
    assert compactions.compact_if_due()
    _an_hour_passes(house)
    assert not compactions.compact_if_due()
    _delete_one(house)
    assert compactions.compact_if_due()


def test_a_large_file_is_left_to_whoever_runs_the_service(house: House) -> None:
    compactions = _compactions(house, max_bytes=1000)
    compactions.compact_if_due()
    _delete_one(house)
    _an_hour_passes(house)
    assert not compactions.compact_if_due()
    compactions.compact()


def test_one_process_at_a_time(house: House) -> None:
    with (
        file_lock(house.data_dir / "compact.lock", doing="is at it", wait_s=0.0),
        pytest.raises(AlreadyRunningError),
    ):
        _compactions(house).compact()
