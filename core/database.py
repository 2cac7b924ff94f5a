"""Database sessions. One writer at a time on SQLite; only `session_scope` commits."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVarTuple, cast

from sqlalchemy import Connection, Engine, Select, create_engine, event, make_url
from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from core.errors import DatabaseBusyError
from core.idle_connections import CommitMark, CommitWatch, IdleConnections

_BUSY_TIMEOUT_MS: Final = 30_000
_OVERWRITE_TIMEOUT_MS: Final = 200
# PostgreSQL: could not serialize, deadlock, a lock that was not to be had
_BUSY_STATES: Final = frozenset({"40001", "40P01", "55P03"})
_FULL_STATE: Final = "53100"
# PostgreSQL: connections, too many of them, and what its operator does
_GONE_CLASSES: Final = frozenset({"08", "53", "57"})
# PostgreSQL: a cut network is noticed within half a minute, not after the kernel's two hours
_NOTICE: Final = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "4",
    "tcp_user_timeout": "30000",
}
_BEGIN_OPTION: Final = "sqlite_begin"

_Columns = TypeVarTuple("_Columns")


class Database:
    """The truth. Thread-safe; hold it for the life of the process and close it at the end."""

    def __init__(self, url: str, *, busy_timeout_ms: int = _BUSY_TIMEOUT_MS) -> None:
        """busy_timeout_ms: how long to wait for another writer on SQLite."""
        self._busy_timeout_ms = busy_timeout_ms
        self._engine = _build_engine(url, busy_timeout_ms)
        # A deferred transaction that reads and then writes can fail at once with "database is
        # locked", whatever the busy timeout; writers therefore take the lock when they begin.
        self._writer = self._engine.execution_options(**{_BEGIN_OPTION: "BEGIN IMMEDIATE"})
        # SQLite's transactions read one snapshot by themselves; PostgreSQL's must be asked to.
        is_sqlite = self._engine.dialect.name == "sqlite"
        snapshot = {} if is_sqlite else {"isolation_level": "REPEATABLE READ"}
        self._reader = self._engine.execution_options(**snapshot)
        self._idle = IdleConnections(self._engine)
        self._commits = CommitWatch(self._engine) if is_sqlite else None

    @property
    def engine(self) -> Engine:
        """The SQLAlchemy engine, for migrations and maintenance."""
        return self._engine

    @contextmanager
    def session_scope(self) -> Iterator[Session]:
        """A unit of work that may write: commits at the end, rolls back on any error."""
        with Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def read_scope(self) -> Iterator[Session]:
        """A consistent read: sees one snapshot, never commits."""
        with Session(self._reader, expire_on_commit=False) as session:
            yield session

    def read_number(self, query: str) -> int:
        """The one number that a query gives, as committed now: for the read before every search."""
        return self._idle.read_number(query)

    def read_rows(
        self, statement: Select[*_Columns], parameters: Mapping[str, object]
    ) -> Sequence[tuple[*_Columns]]:
        """The rows that a statement gives, in one snapshot: for the reads of every search.

        The statement is one of those that are built once and kept; its parameters are numbers,
        texts and bytes.
        """
        return cast("list[tuple[*_Columns]]", self._idle.read_rows(statement, parameters))

    def commit_mark(self) -> CommitMark | None:
        """What stays the same until anybody commits anything; None where that cannot be told.

        So on PostgreSQL. Costs microseconds and never waits.
        """
        return None if self._commits is None else self._commits.mark()

    @contextmanager
    def write_connection(self) -> Iterator[Connection]:
        """A connection whose transaction takes the writer's lock at once; for migrations."""
        with self._writer.connect() as connection:
            yield connection

    def overwrite_deleted(self) -> bool:
        """Leave no deleted text in SQLite's log either; False where a reader still needs it.

        Then the next call does, or the last connection when it closes.
        """
        if self._engine.dialect.name != "sqlite":
            return True
        with closing(self._engine.raw_connection()) as connection:
            cursor = connection.cursor()
            # not the usual patience: whoever deletes must not wait for whoever reads
            cursor.execute(f"PRAGMA busy_timeout = {_OVERWRITE_TIMEOUT_MS}")
            try:
                busy, *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                cursor.execute(f"PRAGMA busy_timeout = {self._busy_timeout_ms}")
            return not busy

    def compact(self) -> None:
        """Rewrite SQLite's file without its unused parts, which may hold deleted text.

        A row that was moved to another page can stay behind where it was, and `secure_delete` does
        not know of it. Takes seconds a gigabyte, as much room again, and the writer's lock; readers
        go on. Nothing happens on PostgreSQL. Raises `DatabaseBusyError`.
        """
        if self._engine.dialect.name != "sqlite":
            return
        with closing(self._engine.raw_connection()) as connection:
            try:
                connection.cursor().execute("VACUUM")
            except sqlite3.OperationalError as error:
                raise DatabaseBusyError(f"the database cannot be rewritten now: {error}") from error
        self.overwrite_deleted()

    def file_bytes(self) -> int:
        """The size of SQLite's file; 0 on PostgreSQL and for a database in memory."""
        path = self._engine.url.database
        if self._engine.dialect.name != "sqlite" or not path:
            return 0
        return Path(path).stat().st_size

    def close(self) -> None:
        """Close every connection that nobody uses."""
        self._idle.close()
        if self._commits is not None:
            self._commits.close()
        self._engine.dispose()


def is_bad_text(error: BaseException) -> bool:
    """Whether PostgreSQL was given a text with U+0000 in it, which none may hold."""
    return isinstance(error, DataError) and "NUL (0x00)" in str(error.orig)


def find_busy(error: BaseException) -> DatabaseBusyError | None:
    """The error of a database that is busy, full or gone for now; None for what else is wrong."""
    if isinstance(error, PoolTimeoutError):
        return DatabaseBusyError("too many wait for the database; ask again in some seconds")
    if not isinstance(error, OperationalError | InterfaceError):
        return None
    # the low byte says busy, the others of what
    code = getattr(error.orig, "sqlite_errorcode", None)
    kind = None if code is None else code & 0xFF
    state = getattr(error.orig, "sqlstate", None)
    if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) or state in _BUSY_STATES:
        return DatabaseBusyError("others write to the database; ask again in some seconds")
    if kind == sqlite3.SQLITE_FULL or state == _FULL_STATE:
        return DatabaseBusyError("there is no room left on the disk of the database")
    # a server that ends or starts, or one that no connection came to
    if kind is None and (state is None or state[:2] in _GONE_CLASSES):
        return DatabaseBusyError("the database cannot be reached; ask again in some seconds")
    return None


def _build_engine(url: str, busy_timeout_ms: int) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        told = {name: each for name, each in _NOTICE.items() if name not in parsed.query}
        return create_engine(url, pool_pre_ping=True, connect_args=told)
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": busy_timeout_ms / 1000})
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: Any, _record: object) -> None:
    # Python's sqlite3 opens transactions by itself, and late; with isolation_level None the
    # "begin" listener below decides.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    # FULL: a commit that was acknowledged survives a power cut, not only a crash.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    # Deleted text is overwritten in the file: "gone" holds for a copy of the disk as well.
    cursor.execute("PRAGMA secure_delete = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    statement = connection.get_execution_options().get(_BEGIN_OPTION, "BEGIN")
    connection.exec_driver_sql(statement)
