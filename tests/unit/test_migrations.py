"""Migrations go forward to the tables of the code, and back again, one at a time."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

import migrations
from core import (  # noqa: F401 - tell `Base` of them
    answer_tables,
    calibration_tables,
    evaluation_tables,
    prompt_tables,
)
from core.database import Database
from core.tables import Base

Shape = dict[str, list[tuple[str, bool]]]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    yield database
    database.close()


def shape(database: Database) -> Shape:
    """Columns of every table, and whether each may be empty."""
    found = inspect(database.engine)
    return {
        table: sorted((column["name"], column["nullable"]) for column in found.get_columns(table))
        for table in found.get_table_names()
        if table != "alembic_version"
    }


def test_the_newest_schema_is_that_of_the_tables(database: Database) -> None:
    migrations.upgrade(database)
    assert shape(database) == {
        name: sorted((column.name, bool(column.nullable)) for column in table.columns)
        for name, table in Base.metadata.tables.items()
    }


def test_what_came_last_can_be_taken_back_step_by_step_and_comes_again(database: Database) -> None:
    migrations.upgrade(database)
    newest = shape(database)
    config = migrations._config()
    for script in ScriptDirectory.from_config(config).walk_revisions():
        if script.revision == "0014":
            break
        before = shape(database)
        with database.write_connection() as connection:
            config.attributes["connection"] = connection
            command.downgrade(config, "-1")
            connection.commit()
        assert shape(database) != before, script.revision

    migrations.upgrade(database)

    assert shape(database) == newest
