"""kill -9 of a backup and of a restore, at steps from the first to the last: all whole, or none."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from app.backup.mark import refuse_half_restored
from app.backup.rows import tables_in_order
from core.database import Database
from tests.house import ROOT
from tests.integration.app.killed_process import back_up, bring_back
from tests.unit.app.backup.conftest import check, place_of
from tests.unit.ingestion.house import House

# the files of PostgreSQL are its own; what differs between the two is tested beside it
pytestmark = pytest.mark.sqlite


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A data folder with a few documents, which nobody has open."""
    house = House(tmp_path / "data")
    for number in range(3):
        house.add(f"{number}.md", f"# River {number}\nIt ends in the sea.".encode())
    house.close()
    return house


def kill_all(deed: str, root: Path) -> list[Any]:
    """What was found after each kill; the processes raise where something is half there."""
    command = [sys.executable, "-m", "tests.integration.app.killed_process", deed, str(root)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    found: list[Any] = json.loads(ended.stdout)
    return found


def rows_of(data_dir: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row that a backup holds, but for those that tell of segments.

    Nor of the index's generation: a restore that goes on past its rows counts one more.
    """
    database = Database(f"sqlite:///{data_dir / 'cimiento.db'}")
    with database.read_scope() as session:
        rows = {
            table.name: sorted((tuple(row) for row in session.execute(select(table))), key=repr)
            for table in tables_in_order()
            if table.name not in ("segments", "deleted_chunks", "manifest")
        }
    database.close()
    return rows


def test_a_backup_that_is_killed_is_none_and_the_next_one_goes_on(
    house: House, tmp_path: Path
) -> None:
    ends = kill_all("backup", tmp_path)
    assert ends[0] == [True, 0]
    assert sum(has_died for has_died, _ in ends) > 3
    numbers = [num_whole for _, num_whole in ends]
    assert numbers == sorted(numbers)  # whoever was killed after its manifest had made a backup
    bring_back(tmp_path / "backups", tmp_path / "elsewhere")
    assert rows_of(tmp_path / "elsewhere") == rows_of(house.data_dir)


def test_a_restore_that_is_killed_lets_nobody_in_and_goes_on_when_it_is_run_again(
    house: House, tmp_path: Path
) -> None:
    back_up(house.data_dir, tmp_path / "backups")
    places = kill_all("restore", tmp_path)
    assert len(places) > 5
    assert all(has_died for _, has_died, _ in places)
    assert sum(is_marked for *_, is_marked in places) > 3
    expected = rows_of(house.data_dir)
    for name, *_ in places:
        assert rows_of(tmp_path / name) == expected
        refuse_half_restored(tmp_path / name)
        database = Database(f"sqlite:///{tmp_path / name / 'cimiento.db'}")
        assert check(place_of(tmp_path / name, database)).findings == ()
        database.close()
