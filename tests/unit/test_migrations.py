"""The schema goes forward and back, loses nothing on the way, and is what the tables say."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

import migrations
from app.backup.rows import TABLE_MODULES
from core.database import Database
from core.tables import Base, ChunkIdRow, ManifestRow, VersionRow
from tests.databases import url_of

# imported, so that `Base` knows their tables
TABLES = TABLE_MODULES
LAST_WITHOUT_PEOPLE = "0017"
# what it took out of the rows cannot be brought back
LAST_ONE_WAY = "0006"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database."""
    database = Database(url_of(tmp_path, migrated=False))
    yield database
    database.close()


def move(database: Database, revision: str) -> None:
    """Go to a revision, forward or back."""
    config = migrations._config()
    with database.write_connection() as connection:
        config.attributes["connection"] = connection
        found = migrations.find_revision(connection) or ""
        go = command.upgrade if revision > found else command.downgrade
        go(config, revision)
        connection.commit()


def shape_of(database: Database) -> dict[str, object]:
    """Every table with its columns, indexes and constraints, by name."""
    inspector = sa.inspect(database.engine)
    return {
        table: (
            {each["name"]: (str(each["type"]), each["nullable"]) for each in columns},
            sorted(str(each["name"]) for each in inspector.get_indexes(table)),
            sorted(str(each["name"]) for each in inspector.get_foreign_keys(table)),
            inspector.get_pk_constraint(table)["constrained_columns"],
        )
        for table in inspector.get_table_names()
        for columns in [inspector.get_columns(table)]
    }


def run(database: Database, statement: str, **values: object) -> list[tuple[Any, ...]]:
    """Run a statement of its own; returns its rows."""
    with database.write_connection() as connection:
        result = connection.execute(sa.text(statement), values)
        rows = [tuple(row) for row in result] if result.returns_rows else []
        connection.commit()
    return rows


def test_the_migrated_schema_is_what_the_tables_say(database: Database) -> None:
    migrations.upgrade(database)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_every_migration_that_can_goes_back_and_forward_again(database: Database) -> None:
    migrations.upgrade(database)
    before = shape_of(database)
    move(database, LAST_ONE_WAY)
    assert not {"people", "answers"} & shape_of(database).keys()
    migrations.upgrade(database)
    assert shape_of(database) == before


def test_whoever_was_signed_in_by_a_link_goes_on_as_the_owner(database: Database) -> None:
    move(database, LAST_WITHOUT_PEOPLE)
    moments = {"then": "2026-11-01 00:00:00", "later": "2036-11-01 00:00:00"}
    run(database, "INSERT INTO web_sessions VALUES ('hash', :then, :later)", **moments)
    for asker in ("session:abc", "key:key_1"):
        run(
            database,
            "INSERT INTO conversations (id, asker, title, created_at, updated_at) "
            "VALUES (:asker, :asker, NULL, :then, :later)",
            asker=asker,
            **moments,
        )
    migrations.upgrade(database)
    ((person_id, is_owner),) = run(database, "SELECT id, is_owner FROM people")
    assert is_owner
    assert run(database, "SELECT person_id FROM web_sessions") == [(person_id,)]
    askers = {row[0] for row in run(database, "SELECT asker FROM conversations")}
    assert askers == {f"person:{person_id}", "key:key_1"}


def test_a_limited_key_keeps_its_limits_both_ways(database: Database) -> None:
    move(database, LAST_WITHOUT_PEOPLE)
    add_key(database, "key_1")
    migrations.upgrade(database)
    assert run(database, "SELECT scopes FROM api_keys") == [("read ask write manage",)]
    move(database, LAST_WITHOUT_PEOPLE)
    assert run(database, "SELECT key_id FROM api_key_collections") == [("key_1",)]


def test_going_back_opens_nothing_to_a_key_that_was_narrower(database: Database) -> None:
    move(database, LAST_WITHOUT_PEOPLE)
    for key_id in ("key_1", "key_2", "key_3", "key_4"):
        add_key(database, key_id)
    migrations.upgrade(database)
    run(database, "UPDATE api_keys SET scopes = 'read' WHERE id = 'key_2'")
    run(database, "UPDATE api_keys SET person_id = 'per_1' WHERE id = 'key_3'")
    run(database, "UPDATE api_keys SET expires_at = '2020-01-01 00:00:00' WHERE id = 'key_4'")
    move(database, LAST_WITHOUT_PEOPLE)
    assert run(database, "SELECT id FROM api_keys") == [("key_1",)]


def add_key(database: Database, key_id: str) -> None:
    """A limited key, as it was before there were people."""
    ((collection_id,),) = run(database, "SELECT id FROM collections WHERE name = 'default'")
    run(
        database,
        "INSERT INTO api_keys (id, name, key_hash, is_limited, created_at) "
        "VALUES (:key, 'a', :key, TRUE, '2026-11-01 00:00:00')",
        key=key_id,
    )
    opened = "INSERT INTO api_key_collections VALUES (:key, :collection)"
    run(database, opened, key=key_id, collection=collection_id)


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_events SET actor = 'nobody'", "DELETE FROM audit_events"]
)
def test_the_database_refuses_to_change_the_audit_log(database: Database, statement: str) -> None:
    migrations.upgrade(database)
    run(
        database,
        "INSERT INTO audit_events (id, at, actor, actor_label, action, details, request_id) "
        "VALUES ('evt_1', '2026-11-01 00:00:00', 'owner', '', 'key.created', '{}', '')",
    )
    with pytest.raises(DBAPIError, match="only ever added to"):
        run(database, statement)
    assert run(database, "SELECT actor FROM audit_events") == [("owner",)]


def test_collections_that_were_there_before_are_answered_from_as_the_service_says(
    database: Database,
) -> None:
    move(database, "0015")
    migrations.upgrade(database)
    told = "SELECT name, CAST(settings AS VARCHAR) FROM collections"
    assert run(database, told) == [("default", "{}")]


# The first that found nothing in the rows to change: from here on every row stays as it was.
FIRST_THAT_KEEPS_ALL = "0019"
FILLED = (8, 9)
MOMENT = datetime(2026, 11, 1, 12, tzinfo=UTC)
VALUES: dict[type[sa.types.TypeEngine[Any]], Callable[[int], object]] = {
    sa.Boolean: lambda n: bool(n % 2),
    sa.Integer: lambda n: n,
    sa.Float: lambda n: n / 4,
    sa.DateTime: lambda n: MOMENT + timedelta(days=n),
    sa.LargeBinary: lambda n: bytes([n]),
    sa.JSON: lambda n: {"n": n},
    sa.String: str,
}
Rows = dict[str, list[dict[str, object]]]


def value_for(column: sa.Column[Any], number: int) -> object:
    """One that any number of tables can refer to each other by."""
    place = (column.table.name, column.name)
    if place in {("grants", "group_id"), ("workers", "role")}:
        # a grant has one holder; a worker that serves has no place in the schema before it
        return None if column.nullable else "ingest"
    made = next(make for kind, make in VALUES.items() if isinstance(column.type, kind))
    return made(number)


def fill(database: Database) -> None:
    """Put two rows into every table there is, with a value in every column."""
    tables = sa.MetaData()
    tables.reflect(database.engine)
    with database.session_scope() as session:
        for table in tables.sorted_tables:
            if table.name != "alembic_version":
                for number in FILLED:
                    values = {each.name: value_for(each, number) for each in table.columns}
                    session.execute(sa.insert(table).values(values))


def rows_of(database: Database) -> Rows:
    """Every row of every table, in the order of its key."""
    tables = sa.MetaData()
    tables.reflect(database.engine)
    tables.remove(tables.tables["alembic_version"])
    with database.read_scope() as session:
        return {
            table.name: [
                dict(row)
                for row in session.execute(sa.select(table).order_by(*table.primary_key)).mappings()
            ]
            for table in tables.sorted_tables
        }


def what_both_have(rows: Rows, others: Rows) -> Rows:
    """Of the first, the tables and columns that are in the others' schema as well."""
    return {
        name: [
            {column: row[column] for column in row if column in others[name][0]} for row in listed
        ]
        for name, listed in rows.items()
        if name in others
    }


def test_every_row_stays_as_it_was_forward_and_back(database: Database) -> None:
    scripts = ScriptDirectory.from_config(migrations._config()).walk_revisions()
    steps = sorted(each.revision for each in scripts if each.revision > FIRST_THAT_KEEPS_ALL)
    move(database, FIRST_THAT_KEEPS_ALL)
    fill(database)
    before = rows_of(database)
    assert all(before.values())
    for revision in steps:
        move(database, revision)
        assert what_both_have(before, rows_of(database)) == before, revision
    for revision in reversed([FIRST_THAT_KEEPS_ALL, *steps[:-1]]):
        move(database, revision)
        after = rows_of(database)
        assert what_both_have(after, before) == what_both_have(before, after), revision
    assert rows_of(database) == before


def test_what_came_with_a_migration_goes_with_it_and_nothing_else(database: Database) -> None:
    migrations.upgrade(database)
    fill(database)
    full = rows_of(database)
    move(database, FIRST_THAT_KEEPS_ALL)
    back = rows_of(database)
    assert back == what_both_have(full, back)
    migrations.upgrade(database)
    again = rows_of(database)
    assert what_both_have(again, back) == back
    # whoever upgrades notes which older code may go on
    came_empty = full.keys() - back.keys() - {"schema_floor"}
    assert {name for name, rows in again.items() if not rows} == came_empty


def test_numbers_past_32_bits_are_kept(database: Database) -> None:
    migrations.upgrade(database)
    fill(database)
    with database.session_scope() as session:
        session.execute(sa.update(VersionRow).values(num_bytes=2**40, generation=2**41))
        session.execute(sa.update(ChunkIdRow).values(next_id=2**42))
        session.execute(sa.update(ManifestRow).values(generation=2**43, last_deletion=2**44))
    with database.read_scope() as session:
        assert {each.num_bytes for each in session.scalars(sa.select(VersionRow))} == {2**40}
        assert {each.next_id for each in session.scalars(sa.select(ChunkIdRow))} == {2**42}
        assert {each.generation for each in session.scalars(sa.select(ManifestRow))} == {2**43}


def test_going_back_from_numbers_past_32_bits_is_refused_and_changes_nothing(
    database: Database,
) -> None:
    if database.engine.dialect.name == "sqlite":
        pytest.skip("SQLite's integers have 64 bits on both sides of this migration")
    migrations.upgrade(database)
    run(database, "UPDATE manifest SET generation = 1099511627776")
    with pytest.raises(DBAPIError, match="out of range"):
        move(database, "0025")
    migrations.check(database)
