"""A lock of PostgreSQL is free as soon as its block has ended, and where its connection was cut."""

from pathlib import Path

import pytest
from sqlalchemy import text

from core.database import Database
from core.errors import AlreadyRunningError
from core.locks import database_lock
from tests.databases import postgresql_of

_KEY = 4242


def test_it_is_free_when_its_block_has_ended_and_not_before(tmp_path: Path) -> None:
    database = Database(postgresql_of(tmp_path))
    for _ in range(100):
        with database_lock(database.engine, _KEY, doing="works", wait_s=0.0):
            pass
    with (
        database_lock(database.engine, _KEY, doing="works", wait_s=0.0),
        pytest.raises(AlreadyRunningError, match="another process works over this database"),
        database_lock(database.engine, _KEY, doing="works", wait_s=0.0),
    ):
        pass
    database.close()


def test_a_connection_that_was_cut_lets_go_of_it_too(tmp_path: Path) -> None:
    database = Database(postgresql_of(tmp_path))
    holders = "FROM pg_locks WHERE locktype = 'advisory' AND objid = :key"
    with (
        database_lock(database.engine, _KEY, doing="works", wait_s=0.0),
        database.engine.connect() as other,
    ):
        other.execute(text(f"SELECT pg_terminate_backend(pid) {holders}"), {"key": _KEY})
    with database_lock(database.engine, _KEY, doing="works", wait_s=10.0):
        pass
    database.close()
