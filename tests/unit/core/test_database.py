"""What was deleted is in no byte of SQLite's file once that was compacted."""

import random
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from core.database import Database
from core.errors import DatabaseBusyError

pytestmark = pytest.mark.sqlite


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "truth.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{path}")
    with database.session_scope() as session:
        session.execute(text("CREATE TABLE texts (id TEXT PRIMARY KEY, body TEXT)"))
    yield database
    database.close()


def _delete_half(database: Database, seed: int) -> set[bytes]:
    """Rows of many lengths in no order, so that pages are split; the words of the deleted ones."""
    rng = random.Random(seed)  # noqa: S311 - the same rows again
    rows = {
        f"{rng.random()}": f"SECRET{seed:03d}{n:03d} " + "x" * rng.randrange(100, 1500)
        for n in range(60)
    }
    for row_id, body in rows.items():
        with database.session_scope() as session:
            insert = text("INSERT INTO texts VALUES (:id, :body)")
            session.execute(insert, {"id": row_id, "body": body})
    gone = rng.sample(sorted(rows), 30)
    with database.session_scope() as session:
        for row_id in gone:
            session.execute(text("DELETE FROM texts WHERE id = :id"), {"id": row_id})
    return {rows[row_id][:12].encode() for row_id in gone}


def test_no_deleted_word_is_left_in_the_file(database: Database, path: Path) -> None:
    # with this seed SQLite 3.40 leaves one deleted row in the unused part of a page
    gone = _delete_half(database, 51)
    database.compact()
    data = path.read_bytes()
    assert gone.isdisjoint(re.findall(rb"SECRET\d{6}", data))
    assert len(set(re.findall(rb"SECRET\d{6}", data))) == 30
    assert path.with_name("truth.db-wal").stat().st_size == 0


def test_who_writes_is_not_disturbed(path: Path, database: Database) -> None:
    database.close()
    hasty = Database(f"sqlite:///{path}", busy_timeout_ms=10)
    with database.session_scope() as session:
        session.execute(text("INSERT INTO texts VALUES ('1', 'one')"))
        with pytest.raises(DatabaseBusyError):
            hasty.compact()
    hasty.compact()
    hasty.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT body FROM texts").fetchall() == [("one",)]


def _insert(database: Database, name: str) -> None:
    with database.session_scope() as session:
        session.execute(text("INSERT INTO texts VALUES (:name, '')"), {"name": name})


def test_a_mark_stays_until_anybody_commits(database: Database, path: Path) -> None:
    mark = database.commit_mark()
    with database.read_scope() as session:
        session.execute(text("SELECT * FROM texts")).all()
    assert database.commit_mark() == mark is not None
    _insert(database, "ours")
    ours = database.commit_mark()
    assert ours != mark
    assert database.commit_mark() == ours
    other = Database(f"sqlite:///{path}")
    _insert(other, "theirs")
    other.close()
    assert database.commit_mark() not in {mark, ours}


def test_a_mark_tells_nothing_of_what_was_rolled_back(database: Database) -> None:
    mark = database.commit_mark()
    with database.session_scope() as session:
        session.execute(text("INSERT INTO texts VALUES ('never', '')"))
        session.rollback()
    assert database.commit_mark() == mark


def test_a_mark_of_an_earlier_opening_is_worth_nothing(database: Database) -> None:
    mark = database.commit_mark()
    database.close()
    assert database.commit_mark() != mark


def test_a_mark_is_not_waited_for(database: Database) -> None:
    mark = database.commit_mark()
    with database.session_scope() as session:
        session.execute(text("INSERT INTO texts VALUES ('open', '')"))
        assert database.commit_mark() == mark
