"""Connections to SQLite kept for small reads, one after another. Never writes.

A read through SQLAlchemy costs 0.1 ms, more than the search among 100,000 vectors that follows it;
on a connection that is at hand it costs 2 microseconds. Each read is a statement of its own, so
that it sees whatever has been committed by then, by any thread or process.
"""

import sqlite3
import threading
from itertools import count
from typing import Final, cast

from sqlalchemy import Engine


class IdleConnections:
    """As many connections as threads have read at the same instant. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # A list's append and pop are atomic: no lock, behind which threads would queue while its
        # holder waits for the interpreter.
        self._idle: list[sqlite3.Connection] = []

    def read_number(self, query: str) -> int:
        """The one number that a query gives."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = _connect(self._engine)
        # All rows: a statement that is not read to its end keeps its snapshot, and the log with it.
        ((number,),) = connection.execute(query).fetchall()
        # not after an error: what failed is not kept
        self._idle.append(connection)
        return int(number)

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
