"""Locks that a process holds and a dead one does not: `flock` on a file, PostgreSQL's own."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from core.errors import AlreadyRunningError

_POLL_S: Final = 0.1


@contextlib.contextmanager
def file_lock(path: Path, *, doing: str, wait_s: float, shared: bool = False) -> Iterator[None]:
    """Hold the lock inside the block: alone, or beside others who hold it `shared`.

    Raises `AlreadyRunningError` when it stays taken for `wait_s`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + wait_s
    try:
        while not _try(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX):
            if time.monotonic() >= deadline:
                raise AlreadyRunningError(
                    f"another process {doing} for {path.parent} (it holds {path.name})"
                )
            time.sleep(_POLL_S)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def database_lock(engine: Engine, key: int, *, doing: str, wait_s: float) -> Iterator[None]:
    """Hold a lock of PostgreSQL alone inside the block; SQLite's users have files in common.

    It lasts as long as its connection: who must not be two asks the database again before it
    commits. Raises `AlreadyRunningError` when it stays taken for `wait_s`.
    """
    if engine.dialect.name != "postgresql":
        yield
        return
    deadline = time.monotonic() + wait_s
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # closed at the end, not given back: that lets go of the lock whatever happened
        connection.detach()
        while not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}):
            if time.monotonic() >= deadline:
                raise AlreadyRunningError(f"another process {doing} over this database")
            time.sleep(_POLL_S)
        try:
            yield
        finally:
            # said, so that it is free from here on: of a closed connection the server hears later
            with contextlib.suppress(SQLAlchemyError):
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": key})


def _try(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
