"""Moving windows of limits that several processes of one machine count together.

In a file of SQLite that lives as long as they do: nothing in it outlives a crash, nor need it.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from limits.storage import MovingWindowSupport, Storage

_FILE: Final = "limits.sqlite"
_PATIENCE_S: Final = 5.0
_SCHEMA: Final = (
    "PRAGMA journal_mode = WAL",
    # a machine that loses power may forget who asked how often in the last minute
    "PRAGMA synchronous = OFF",
    "CREATE TABLE IF NOT EXISTS entries (key TEXT, moment REAL, until REAL)",
    "CREATE INDEX IF NOT EXISTS by_key ON entries (key, moment)",
    "CREATE INDEX IF NOT EXISTS by_end ON entries (until)",
)


class SharedWindows(Storage, MovingWindowSupport):
    """What `limits` counts with, in a folder that the processes share. Thread-safe; close it."""

    STORAGE_SCHEME: list[str] | None = []  # noqa: RUF012 - as `limits` declares it: made by no URL

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(
            folder / _FILE, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False
        )
        for statement in _SCHEMA:
            self._connection.execute(statement)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        """What may go wrong."""
        return sqlite3.Error

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count so many, unless they were more than `limit` within `expiry` seconds."""
        with self._transaction() as now_s:
            _, number = self._window(key, now_s - expiry)
            if number + amount > limit:
                return False
            self._add(key, now_s, expiry, amount)
        return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:  # noqa: ARG002 - the signature of `limits`
        """When the first of the last `expiry` seconds was counted, and how many there were."""
        now_s = self._clock()
        with self._lock:
            first, number = self._window(key, now_s - expiry)
        return now_s if first is None else first, number

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count so many, whatever there were; returns how many there are."""
        with self._transaction() as now_s:
            self._add(key, now_s, expiry, amount)
            return self._window(key, 0)[1]

    def get(self, key: str) -> int:
        """How many there are."""
        with self._transaction():
            return self._window(key, 0)[1]

    def get_expiry(self, key: str) -> float:
        """When the last of them is forgotten; now where there is none."""
        now_s = self._clock()
        query = "SELECT max(until) FROM entries WHERE key = ?"
        with self._lock:
            (until,) = self._connection.execute(query, (key,)).fetchone()
        return now_s if until is None else float(until)

    def check(self) -> bool:
        """Whether it can count."""
        with self._transaction():
            return True

    def reset(self) -> int | None:
        """Forget everything; returns how much that was."""
        with self._transaction():
            return self._connection.execute("DELETE FROM entries").rowcount

    def clear(self, key: str) -> None:
        """Forget what was counted of one."""
        with self._transaction():
            self._connection.execute("DELETE FROM entries WHERE key = ?", (key,))

    @contextmanager
    def _transaction(self) -> Iterator[float]:
        """The moment, when this process alone counts and what is over has been forgotten."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                # here: whoever waited for the others comes after them
                now_s = self._clock()
                self._connection.execute("DELETE FROM entries WHERE until < ?", (now_s,))
                yield now_s
            finally:
                self._connection.execute("COMMIT")

    def _window(self, key: str, since_s: float) -> tuple[float | None, int]:
        query = "SELECT min(moment), count(*) FROM entries WHERE key = ? AND moment >= ?"
        first, number = self._connection.execute(query, (key, since_s)).fetchone()
        return first, number

    def _add(self, key: str, now_s: float, expiry: int, amount: int) -> None:
        row = (key, now_s, now_s + expiry)
        self._connection.executemany("INSERT INTO entries VALUES (?, ?, ?)", [row] * amount)
