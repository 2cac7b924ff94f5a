"""A backup goes from SQLite into PostgreSQL and back, row for row."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from app.active_prompts import ActivePrompts
from app.answers import Answers
from app.backup.folder import BackupFolder
from app.backup.restoring import Place, read_deletions, restore
from app.backup.taking import take_backup
from app.prompts import Prompts
from core.database import Database
from core.generation import read_generation
from core.prompt_tables import PromptActivationRow
from generation.prompts import builtin_source
from tests.databases import postgresql_of
from tests.integration.ingestion.test_postgresql import (
    CALLER,
    answered,
    evaluate,
)
from tests.unit.app.backup.conftest import check, place_of, source_of
from tests.unit.app.backup.test_backup import rows_of
from tests.unit.ingestion.house import EVERYTHING, House

OpenPlace = Callable[[str, str], Place]


@pytest.fixture
def open_place(tmp_path: Path) -> Any:
    """A place by its name, empty, with its rows in SQLite or PostgreSQL."""
    databases: list[Database] = []

    def open_one(name: str, kind: str) -> Place:
        data_dir = tmp_path / name
        url = f"sqlite:///{data_dir / 'cimiento.db'}"
        if kind == "postgresql":
            url = postgresql_of(data_dir, migrated=False)
        databases.append(Database(url))
        return place_of(data_dir, databases[-1])

    yield open_one
    for database in databases:
        database.close()


def backed_up(place: Place, folder: BackupFolder) -> None:
    take_backup(source_of(place.data_dir, place.store), folder)


def test_a_backup_goes_from_one_database_to_the_other_and_back(
    tmp_path: Path, open_place: OpenPlace
) -> None:
    house = House(tmp_path / "first")
    first = place_of(house.data_dir, house.database)
    # what is not ASCII, several planes up, and null in JSON and as a value
    accepted = house.add("a.md", "# A\nOld words of a text, ño, \U0001d518, \u2028.".encode())
    house.documents.delete(house.add("gone.txt", b"Gone.").document_id, EVERYTHING)
    evaluate(house, accepted)
    Answers(house.database).keep(answered(accepted))
    prompts = Prompts(house.database)
    prompts.create(builtin_source("direct", 1).replace("name: direct", "name: mine"), CALLER)
    ActivePrompts(house.database, prompts).activate(house.default(), "mine", CALLER)

    places = [first, open_place("second", "postgresql"), open_place("third", "sqlite")]
    for number, (source, target) in enumerate(pairwise(places)):
        folder = BackupFolder(tmp_path / f"backups{number}")
        backed_up(source, folder)
        known = read_deletions(folder, target, [])
        restore(folder, folder.get(None), target, deletions=known)
        assert rows_of(target) == rows_of(source)
        assert read_generation(target.database) == read_generation(source.database)
        assert check(target).findings == ()
    house.close()


def test_postgresql_numbers_on_after_restored_rows(tmp_path: Path, open_place: OpenPlace) -> None:
    house = House(tmp_path / "first")
    first = place_of(house.data_dir, house.database)
    active = ActivePrompts(house.database, Prompts(house.database))
    for prompt in ("direct", "few_shot"):
        active.activate(house.default(), prompt, CALLER)
    folder = BackupFolder(tmp_path / "backups")
    backed_up(first, folder)
    second = open_place("numbered", "postgresql")
    restore(folder, folder.get(None), second, deletions={})
    moved = ActivePrompts(second.database, Prompts(second.database))
    moved.activate(house.default(), "direct", CALLER)
    with second.database.read_scope() as session:
        assert session.scalar(select(func.max(PromptActivationRow.id))) == 3
    house.close()
