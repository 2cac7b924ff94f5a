"""Connections to SQLite kept for small reads, one after another. Never writes.

A read through a session of SQLAlchemy costs up to 1 ms, more than the search among 100,000 vectors
before it; on a connection that is at hand it costs what SQLite takes, 2 microseconds for a number.
Each read is a statement of its own, so that it sees whatever has been committed by then, by any
thread or process, all of it or nothing.
"""

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, Final, cast

from sqlalchemy import Engine, Integer, LargeBinary, Select, String
from sqlalchemy.exc import OperationalError
from sqlalchemy.sql.compiler import SQLCompiler

# What SQLite gives as Python wants it, so that nothing is left to convert.
_PLAIN: Final = (Integer, String, LargeBinary)


class IdleConnections:
    """As many connections as threads have read at the same instant. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # A list's append and pop are atomic: no lock, behind which threads would queue while its
        # holder waits for the interpreter.
        self._idle: list[sqlite3.Connection] = []
        self._compiled: dict[Select[*tuple[Any, ...]], SQLCompiler] = {}

    def read_number(self, query: str) -> int:
        """The one number that a query gives."""
        ((number,),) = self._read(query, ())
        return int(number)

    def read_rows(
        self, statement: Select[*tuple[Any, ...]], parameters: Mapping[str, object]
    ) -> list[tuple[Any, ...]]:
        """The rows of a statement that is there for good: how it is spelt is kept with it.

        Its columns are numbers, texts and bytes. Raises what SQLAlchemy raises where the database
        is busy.
        """
        compiled = self._compiled.get(statement)
        if compiled is None:
            compiled = self._compiled[statement] = self._compile(statement)
        # lists are spelt out, a place for each of their values
        spelt = compiled.construct_expanded_state(parameters)
        return self._read(spelt.statement, spelt.positional_parameters)

    def _compile(self, statement: Select[*tuple[Any, ...]]) -> SQLCompiler:
        for column in statement.selected_columns:
            if not isinstance(column.type, _PLAIN):
                raise TypeError(f"{column} would have to be converted; read it through a session")
        return statement.compile(dialect=self._engine.dialect)

    def _read(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = _connect(self._engine)
        try:
            # All: a statement that is not read to its end keeps its snapshot, and the log with it.
            rows = connection.execute(query, values).fetchall()
        except sqlite3.OperationalError as error:
            # without the values, which may be somebody's words
            raise OperationalError(query, None, error) from error
        # not after an error: what failed is not kept
        self._idle.append(connection)
        return rows

    def close(self) -> None:
        """Close those that nobody reads on."""
        while self._idle:
            self._idle.pop().close()


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


def _connect(engine: Engine) -> sqlite3.Connection:
    pooled = engine.raw_connection()
    connection = cast("sqlite3.Connection", pooled.driver_connection)
    pooled.detach()  # the pool's place is for those who come and go
    return connection
