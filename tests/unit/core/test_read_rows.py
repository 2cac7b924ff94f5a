"""Rows that searches read: what is committed by then, whole, and nothing kept of the last read."""

import threading

import pytest
from sqlalchemy import Integer, String, bindparam, column, delete, select, table
from sqlalchemy.exc import DBAPIError

from core.database import Database
from core.tables import CollectionRow, now
from tests.library import Library

NAMED = (
    select(CollectionRow.id, CollectionRow.name)
    .where(CollectionRow.name.in_(bindparam("names", expanding=True)))
    .where(CollectionRow.description == bindparam("description"))
    .order_by(CollectionRow.name)
)
OF_NO_TABLE = select(column("id", Integer), column("name", String)).select_from(table("no_table"))


@pytest.fixture
def database(library: Library) -> Database:
    return library.database


def add(database: Database, *names: str) -> None:
    with database.session_scope() as session:
        session.add_all(
            CollectionRow(id=f"col_{name}", name=name, description="read") for name in names
        )


def find(database: Database, *names: str) -> list[str]:
    rows = database.read_rows(NAMED, {"names": list(names), "description": "read"})
    assert all(chunk == f"col_{name}" for chunk, name in rows)
    return [name for _, name in rows]


def test_a_list_may_have_any_length(database: Database) -> None:
    add(database, "a", "b", "c")

    assert find(database, "c", "a") == ["a", "c"]
    assert find(database, "b") == ["b"]
    assert find(database) == []
    assert find(database, *"abcdefgh") == ["a", "b", "c"]


def test_every_read_sees_what_was_committed_before_it_and_nothing_else(database: Database) -> None:
    add(database, "a", "b")
    assert find(database, "a", "b") == ["a", "b"]

    with database.session_scope() as session:
        session.execute(delete(CollectionRow).where(CollectionRow.name == "a"))
        session.flush()
        assert find(database, "a", "b") == ["a", "b"]

    assert find(database, "a", "b") == ["b"]


def test_what_is_committed_together_is_read_together(database: Database) -> None:
    pairs = [(f"left{number}", f"right{number}") for number in range(30)]
    has_ended = threading.Event()
    torn: list[list[str]] = []

    def watch() -> None:
        is_last = False
        while not is_last:
            is_last = has_ended.is_set()
            found = find(database, *(name for pair in pairs for name in pair))
            if len(found) % 2:
                torn.append(found)

    watchers = [threading.Thread(target=watch) for _ in range(3)]
    for each in watchers:
        each.start()
    for pair in pairs:
        add(database, *pair)
    has_ended.set()
    for each in watchers:
        each.join()

    assert torn == []


@pytest.mark.sqlite
def test_kept_connections_hold_no_snapshot(database: Database) -> None:
    add(database, "a")
    find(database, "a")
    add(database, "b")

    # fails where any connection still reads an older state of the log
    assert database.overwrite_deleted()


def test_a_read_that_failed_is_told_as_every_other_and_nothing_is_kept_of_it(
    database: Database,
) -> None:
    add(database, "a")
    with pytest.raises(DBAPIError, match=r"no such table|does not exist"):
        database.read_rows(OF_NO_TABLE, {})

    assert find(database, "a") == ["a"]


def test_what_a_column_holds_is_converted_as_in_a_session(database: Database) -> None:
    add(database, "a")
    moments = select(CollectionRow.name, CollectionRow.created_at).where(
        CollectionRow.name == bindparam("name")
    )
    ((name, created_at),) = database.read_rows(moments, {"name": "a"})
    assert name == "a"
    assert created_at.tzinfo is not None
    with database.read_scope() as session:
        assert session.execute(moments, {"name": "a"}).all() == [(name, created_at)]


def test_what_would_have_to_be_converted_to_be_asked_is_refused(database: Database) -> None:
    statement = select(CollectionRow.name).where(CollectionRow.created_at < bindparam("before"))
    with pytest.raises(TypeError, match="before"):
        database.read_rows(statement, {"before": now()})
