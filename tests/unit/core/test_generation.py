"""The generation is that of the last commit, whichever connection or process made it."""

import subprocess
import sys
import threading

import pytest
from sqlalchemy import update

from core.database import Database
from core.generation import read_generation
from core.tables import ManifestRow
from tests.library import Library

MOVE_ON = """
import sys
from sqlalchemy import create_engine, text
with create_engine(sys.argv[1]).begin() as connection:
    connection.execute(text("UPDATE manifest SET generation = generation + 1"))
"""


@pytest.fixture
def database(library: Library) -> Database:
    return library.database


def move_on(database: Database) -> None:
    with database.session_scope() as session:
        session.execute(update(ManifestRow).values(generation=ManifestRow.generation + 1))


def test_commit_of_another_process_is_seen_by_the_next_read(database: Database) -> None:
    before = read_generation(database)

    command = [
        sys.executable,
        "-c",
        MOVE_ON,
        database.engine.url.render_as_string(hide_password=False),
    ]
    subprocess.run(command, check=True)

    assert read_generation(database) == before + 1


def test_what_is_not_committed_is_not_seen(database: Database) -> None:
    before = read_generation(database)

    with database.session_scope() as session:
        session.execute(update(ManifestRow).values(generation=ManifestRow.generation + 1))
        session.flush()
        assert read_generation(database) == before

    assert read_generation(database) == before + 1


def test_no_thread_reads_a_generation_older_than_one_that_was_committed(
    database: Database,
) -> None:
    committed = read_generation(database)
    late: list[tuple[int, int]] = []
    stopped = threading.Event()

    def read() -> None:
        while not stopped.is_set():
            at_least = committed
            seen = read_generation(database)
            if seen < at_least:
                late.append((seen, at_least))

    readers = [threading.Thread(target=read) for _ in range(8)]
    for reader in readers:
        reader.start()
    for _ in range(30):
        move_on(database)
        committed += 1
    stopped.set()
    for reader in readers:
        reader.join()

    assert late == []
    assert read_generation(database) == committed


def test_kept_connections_hold_no_snapshot(database: Database) -> None:
    read_generation(database)
    move_on(database)
    read_generation(database)

    # fails where any connection still reads an older state of the log
    assert database.overwrite_deleted()


def test_nothing_is_kept_of_a_read_that_failed(database: Database) -> None:
    with pytest.raises(Exception, match=r"no such table|does not exist"):
        database.read_number("SELECT 1 FROM no_table")

    assert read_generation(database) >= 0
