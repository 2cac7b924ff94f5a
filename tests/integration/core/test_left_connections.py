"""A test on PostgreSQL that leaves a connection open fails, and not whichever comes after it."""

from pathlib import Path

import pytest
from sqlalchemy import text

from core.database import Database
from tests.databases import drop_below, postgresql_of


def test_who_leaves_a_connection_open_is_told_what_it_did_last(tmp_path: Path) -> None:
    database = Database(postgresql_of(tmp_path))
    with database.read_scope() as session:
        session.execute(text("SELECT 42"))
    with pytest.raises(AssertionError, match=r"left open.*ROLLBACK"):
        drop_below(tmp_path, leave_within_s=0)
    database.close()


def test_who_closes_them_leaves_nothing(tmp_path: Path) -> None:
    url = postgresql_of(tmp_path)
    database = Database(url)
    with database.read_scope() as session:
        session.execute(text("SELECT 42"))
    database.close()
    drop_below(tmp_path)
    # made anew, for it is gone
    assert postgresql_of(tmp_path) == url
