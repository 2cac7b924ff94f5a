"""What a database is asked, in a session or on a kept connection."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Select, event

from core.database import Database

Asked = list[tuple[str, Any]]
"""Statements, each with its parameters."""


@contextmanager
def asked_of(database: Database) -> Iterator[Asked]:
    """Everything that is asked inside the block but `read_number`, as it goes on."""
    asked: Asked = []
    read_rows = database.read_rows

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    def noted(statement: Select[Any], parameters: Mapping[str, object]) -> Any:
        asked.append((str(statement), parameters))
        return read_rows(statement, parameters)

    event.listen(database.engine, "before_cursor_execute", note)
    database.read_rows = noted  # type: ignore[method-assign, assignment] # it reads as before
    try:
        yield asked
    finally:
        del database.read_rows
        event.remove(database.engine, "before_cursor_execute", note)
