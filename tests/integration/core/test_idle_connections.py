"""Connections to PostgreSQL that reads are made on: few, and found anew where they were cut."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from core.database import Database
from tests.databases import postgresql_of
from tests.integration.waiting import until

# One that has to wait while somebody looks on.
READ = "SELECT 7 FROM pg_advisory_xact_lock_shared(1)"
OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND application_name <> 'aside'"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(postgresql_of(tmp_path))
    yield database
    database.close()


@pytest.fixture
def aside(tmp_path: Path) -> Iterator[Database]:
    """Who looks on, over connections of their own."""
    url = make_url(postgresql_of(tmp_path)).update_query_dict({"application_name": "aside"})
    aside = Database(url.render_as_string(hide_password=False))
    yield aside
    aside.close()


@contextmanager
def held_up(aside: Database) -> Iterator[None]:
    """Inside the block every `READ` waits."""
    with aside.read_scope() as session:
        session.execute(text("SELECT pg_advisory_xact_lock(1)"))
        yield


def count(aside: Database, *, waiting: bool = False) -> int:
    where = "AND wait_event_type = 'Lock'" if waiting else ""
    with aside.read_scope() as session:
        return int(session.execute(text(f"SELECT count(*) {OTHERS} {where}")).scalar_one())


def read_at_once(database: Database, aside: Database, number: int, *, sessions: int) -> None:
    """So many reads, in a thread each; goes on once so many sessions wait for the same."""
    with ThreadPoolExecutor(number) as threads:
        with held_up(aside):
            reads = [threads.submit(database.read_number, READ) for _ in range(number)]
            until(lambda: count(aside, waiting=True) == sessions)
        assert [each.result() for each in reads] == [7] * number


def test_thirty_readers_share_ten_connections(database: Database, aside: Database) -> None:
    read_at_once(database, aside, 30, sessions=10)
    assert count(aside) == 10


def test_a_reader_alone_has_one(database: Database, aside: Database) -> None:
    assert [database.read_number(READ) for _ in range(5)] == [7] * 5
    assert count(aside) == 1


def test_a_read_goes_on_where_the_kept_connections_were_cut(
    database: Database, aside: Database
) -> None:
    read_at_once(database, aside, 3, sessions=3)
    with aside.read_scope() as session:
        session.execute(text(f"SELECT pg_terminate_backend(pid) {OTHERS}"))
    until(lambda: count(aside) == 0)
    assert database.read_number(READ) == 7
    # the others were not asked one after another, each in vain
    assert count(aside) == 1


def test_what_is_read_while_the_database_is_closed_leaves_no_connection(
    database: Database, aside: Database
) -> None:
    with ThreadPoolExecutor(1) as threads:
        with held_up(aside):
            read = threads.submit(database.read_number, READ)
            until(lambda: count(aside, waiting=True) == 1)
            database.close()
        assert read.result() == 7
    until(lambda: count(aside) == 0)
