"""Connections kept for small reads, one after another. Never writes.

A read through a session of SQLAlchemy costs up to 1 ms, more than the search among 100,000 vectors
before it, and asks PostgreSQL four times: whether it is there, to begin, the statement, to roll
back. On a connection that is at hand it costs what the database takes: SQLite 2 microseconds for a
number, PostgreSQL one round trip.

Each read is a statement of its own, so that it sees whatever has been committed by then, by any
thread or process, all of it or nothing.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from sqlalchemy import Engine, Integer, LargeBinary, Select, String
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.sql.compiler import SQLCompiler

# What a driver takes as Python has it, so that nothing is left to convert.
_PLAIN: Final = (Integer, String, LargeBinary)
# A session of PostgreSQL is a process there: more threads than these wait for one another.
_MAX_SESSIONS: Final = 10
_WAIT_S: Final = 30.0

_Row = tuple[Any, ...]
_Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Spelling:
    """How a statement is asked, and what makes its columns Python's where something has to."""

    compiled: SQLCompiler
    converters: tuple[_Convert | None, ...]

    def convert(self, rows: list[_Row]) -> list[_Row]:
        """The rows as SQLAlchemy would give them."""
        if not any(self.converters):
            return rows
        return [
            tuple(
                each if to_python is None else to_python(each)
                for each, to_python in zip(row, self.converters, strict=True)
            )
            for row in rows
        ]


class IdleConnections:
    """As many connections as threads have read at the same instant. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._driver = engine.dialect.loaded_dbapi
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._place: Callable[[], AbstractContextManager[None]] = (
            nullcontext if self._is_sqlite else _Places(_MAX_SESSIONS).one
        )
        # A list's append and pop are atomic: no lock, behind which threads would queue while its
        # holder waits for the interpreter.
        self._idle: list[Any] = []
        self._is_closed = False
        self._spelt: dict[Select[*tuple[Any, ...]], _Spelling] = {}

    def read_number(self, query: str) -> int:
        """The one number that a query gives."""
        ((number,),) = self._read(query, ())
        return int(number)

    def read_rows(
        self, statement: Select[*tuple[Any, ...]], parameters: Mapping[str, object]
    ) -> list[_Row]:
        """The rows of a statement that is there for good: how it is spelt is kept with it.

        Its parameters are numbers, texts and bytes. Raises what SQLAlchemy raises.
        """
        spelling = self._spelt.get(statement)
        if spelling is None:
            spelling = self._spelt[statement] = self._spell(statement)
        # lists are spelt out, a place for each of their values
        asked = spelling.compiled.construct_expanded_state(parameters)
        values = asked.parameters if asked.positiontup is None else asked.positional_parameters
        return spelling.convert(self._read(asked.statement, values))

    def _spell(self, statement: Select[*tuple[Any, ...]]) -> _Spelling:
        dialect = self._engine.dialect
        compiled = statement.compile(dialect=dialect)
        for name, parameter in compiled.binds.items():
            if not isinstance(parameter.type, _PLAIN):
                raise TypeError(f"{name} would have to be converted; read it through a session")
        types = (column.type.dialect_impl(dialect) for column in statement.selected_columns)
        return _Spelling(compiled, tuple(each.result_processor(dialect, None) for each in types))

    def _read(self, query: str, values: Sequence[Any] | Mapping[str, Any]) -> list[_Row]:
        with self._place():
            try:
                kept = self._idle.pop()
            except IndexError:
                return self._ask(self._open(), query, values)
            try:
                return self._ask(kept, query, values)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
            # Only that the server was started anew, or a network cut: it is not known before one
            # asks, and asking twice does no harm. The others were cut as well.
            self._drop_idle()
            return self._ask(self._open(), query, values)

    def _open(self) -> Any:
        try:
            connection = _connect(self._engine)
        except self._driver.Error as error:
            raise self._told(None, error) from error
        if not self._is_sqlite:
            # SQLite's is so already
            connection.autocommit = True
        return connection

    def _ask(
        self, connection: Any, query: str, values: Sequence[Any] | Mapping[str, Any]
    ) -> list[_Row]:
        try:
            # All: a statement that is not read to its end keeps its snapshot, and the log with it.
            rows: list[_Row] = connection.execute(query, values).fetchall()
        except self._driver.Error as error:
            is_gone = self._engine.dialect.is_disconnect(error, connection, None)
            connection.close()
            raise self._told(query, error, is_gone=is_gone) from error
        except BaseException:
            # what failed is not kept
            connection.close()
            raise
        self._idle.append(connection)
        if self._is_closed:
            self._drop_idle()
        return rows

    def _told(self, query: str | None, error: Exception, *, is_gone: bool = False) -> Exception:
        # without the values, which may be somebody's words
        return DBAPIError.instance(
            query,
            None,
            error,
            self._driver.Error,
            connection_invalidated=is_gone,
            dialect=self._engine.dialect,
        )

    def close(self) -> None:
        """Close those that nobody reads on, and the others once they have been read on."""
        self._is_closed = True
        self._drop_idle()

    def _drop_idle(self) -> None:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return
            connection.close()


class _Places:
    """So many at the same time; the others wait, and are told when it was too long."""

    def __init__(self, number: int) -> None:
        self._free = threading.Semaphore(number)

    @contextmanager
    def one(self) -> Iterator[None]:
        """A place inside the block. Raises what a pool of SQLAlchemy raises where none is free."""
        if not self._free.acquire(timeout=_WAIT_S):
            raise PoolTimeoutError(f"no connection for a read was free for {_WAIT_S:.0f} s")
        try:
            yield
        finally:
            self._free.release()


CommitMark = tuple[int, int]
"""As long as it stays what it was, nobody has committed anything."""


class CommitWatch:
    """Notices commits to SQLite's file, by any thread or process. Thread-safe; never waits."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        # numbers of different connections cannot be compared
        self._openings: Final = count()
        self._opened: tuple[int, sqlite3.Connection] | None = None

    def mark(self) -> CommitMark | None:
        """The mark of this moment; None where it cannot be read without waiting."""
        with self._lock:
            if self._opened is None:
                self._opened = (next(self._openings), _connect(self._engine))
                self._opened[1].execute("PRAGMA busy_timeout = 0")
            opening, connection = self._opened
            try:
                ((version,),) = connection.execute("PRAGMA data_version").fetchall()
            except sqlite3.OperationalError:
                return None
        return opening, int(version)

    def close(self) -> None:
        """Close the connection; the next mark is another one."""
        with self._lock:
            if self._opened is not None:
                self._opened[1].close()
                self._opened = None


def _connect(engine: Engine) -> Any:
    pooled = engine.raw_connection()
    connection = pooled.driver_connection
    pooled.detach()  # the pool's place is for those who come and go
    return connection
