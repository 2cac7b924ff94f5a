"""Machines with folders of their own and one PostgreSQL keep the index one at a time."""

from pathlib import Path

import pytest

from core.database import Database
from core.errors import AlreadyRunningError
from core.merging import Workshop
from core.segment_files import SegmentFiles
from tests.databases import postgresql_of


def test_one_machine_at_a_time_keeps_the_index(tmp_path: Path) -> None:
    url = postgresql_of(tmp_path)
    here, elsewhere = (
        Workshop(Database(url), SegmentFiles(tmp_path / name / "segments"))
        for name in ("here", "elsewhere")
    )
    with (
        here.lock(),
        pytest.raises(AlreadyRunningError, match="keeps the index"),
        elsewhere.lock(),
    ):
        pass
    with elsewhere.lock(), pytest.raises(AlreadyRunningError), here.lock():
        pass
    with here.lock():
        pass
    for shop in (here, elsewhere):
        shop.database.close()
