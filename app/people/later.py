"""Writes that nobody waits for: gathered for a moment, then one transaction for all of them."""

import threading
from collections.abc import Callable
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core.database import Database

_log = structlog.get_logger()

_DELAY_S: Final = 1.0
# A database that cannot be written to must not fill the memory.
_MAX_WAITING: Final = 10_000

Write = Callable[[Session], None]


class LaterWrites:
    """Takes writes and does them soon. Thread-safe; close it before the database."""

    def __init__(self, database: Database, *, delay_s: float = _DELAY_S) -> None:
        self._database = database
        self._delay_s = delay_s
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._waiting: dict[str, Write] = {}
        self._timer: threading.Timer | None = None
        self._is_closed = False

    def put(self, name: str, write: Write) -> None:
        """Do this soon. It takes the place of one of the same name that is still to be done."""
        with self._lock:
            if len(self._waiting) >= _MAX_WAITING and name not in self._waiting:
                _log.error("write_dropped", name=name)
                return
            self._waiting[name] = write
            self._start_timer()
            is_closed = self._is_closed
        if is_closed:
            self.flush()

    def flush(self) -> None:
        """Do now what waits. What fails waits on for the next time."""
        with self._flushing:
            with self._lock:
                if self._timer is not None:
                    self._timer.cancel()
                    self._timer = None
                writes, self._waiting = self._waiting, {}
            if not writes:
                return
            try:
                with self._database.session_scope() as session:
                    for write in writes.values():
                        write(session)
            except SQLAlchemyError:
                _log.exception("writes_postponed", num_writes=len(writes))
                with self._lock:
                    self._waiting = writes | self._waiting
                    self._start_timer()

    def close(self) -> None:
        """Do what waits, and end: what still comes is done at once, and what fails is lost."""
        with self._lock:
            self._is_closed = True
        self.flush()

    def _start_timer(self) -> None:
        if self._timer is None and not self._is_closed:
            self._timer = threading.Timer(self._delay_s, self.flush)
            self._timer.daemon = True
            self._timer.start()
