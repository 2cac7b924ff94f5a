"""Rows as lines of JSON, the same from SQLite and from PostgreSQL, and back into either.

A table is cut into parts where the key of a row says so, not after a number of rows: what is added
or deleted changes the part it falls into, and the others are the objects of the last backup.
"""

import base64
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.backup.errors import BackupDamagedError, NotRestorableError
from app.backup.folder import BackupFolder
from app.backup.manifest import Column, Part, Table
from core import (
    adapter_tables,
    answer_tables,
    calibration_tables,
    evaluation_tables,
    label_tables,
    people_tables,
    prompt_tables,
    webhook_tables,
)
from core.tables import Base, SchemaFloorRow, UtcDateTime, WorkerRow

# Each module with tables, so that none is forgotten.
TABLE_MODULES: Final = (
    adapter_tables,
    answer_tables,
    calibration_tables,
    evaluation_tables,
    label_tables,
    people_tables,
    prompt_tables,
    webhook_tables,
)
# Which processes live, what they write just now and which of them may is no matter of a backup;
# whoever was signed in signs in again.
LEFT_OUT: Final = frozenset(
    {
        SchemaFloorRow.__tablename__,
        WorkerRow.__tablename__,
        answer_tables.RunningAnswerRow.__tablename__,
        people_tables.WebSessionRow.__tablename__,
        people_tables.SignInLinkRow.__tablename__,
    }
)
_ROWS_IN_A_PART: Final = 256
_MAX_PART_BYTES: Final = 4 << 20
# A text may have a hundred megabytes.
_ROWS_AT_ONCE: Final = 20


@dataclass(frozen=True, slots=True)
class Writing:
    """How values of a kind are written, read, and typed for the database."""

    to_json: Callable[[Any], Any]
    from_json: Callable[[Any], Any]
    type: sa.types.TypeEngine[Any]


def _same(value: Any) -> Any:
    return value


WRITINGS: Final[Mapping[str, Writing]] = {
    "text": Writing(_same, _same, sa.Text()),
    "integer": Writing(_same, _same, sa.BigInteger()),
    "number": Writing(_same, _same, sa.Double()),
    "boolean": Writing(_same, _same, sa.Boolean()),
    "moment": Writing(datetime.isoformat, datetime.fromisoformat, UtcDateTime()),
    "bytes": Writing(
        lambda value: base64.b64encode(value).decode(), base64.b64decode, sa.LargeBinary()
    ),
    "json": Writing(_same, _same, sa.JSON()),
    # None is no value here, and not the JSON null
    "json_or_null": Writing(_same, _same, sa.JSON(none_as_null=True)),
}


def tables_in_order() -> list[sa.Table]:
    """What a backup holds; each table refers only to those before it."""
    return [each for each in Base.metadata.sorted_tables if each.name not in LEFT_OUT]


def dump_table(
    session: Session, table: sa.Table, folder: BackupFolder, *, known: set[str]
) -> Table:
    """Write every row that the session sees; objects that are in `known` are not written again."""
    keys = list(table.primary_key.columns)
    rows = session.execute(
        sa.select(*table.columns).order_by(*keys).execution_options(yield_per=_ROWS_AT_ONCE)
    )
    columns = tuple(Column(column.name, _kind_of(column.type)) for column in table.columns)
    key_places = [list(table.columns).index(column) for column in keys]
    parts = write_parts(columns, rows, folder, key_places=key_places, known=known)
    return Table(table.name, columns, parts)


def write_parts(
    columns: Sequence[Column],
    rows: Iterable[Sequence[Any]],
    folder: BackupFolder,
    *,
    key_places: Sequence[int],
    known: set[str],
) -> tuple[Part, ...]:
    """Write rows, which come in the order of their keys, in parts."""
    parts: list[Part] = []
    lines: list[bytes] = []
    num_bytes = 0
    for row in rows:
        values = [
            None if value is None else WRITINGS[column.kind].to_json(value)
            for column, value in zip(columns, row, strict=True)
        ]
        line = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
        lines.append(line)
        num_bytes += len(line)
        key = json.dumps([values[place] for place in key_places]).encode()
        if zlib.crc32(key) % _ROWS_IN_A_PART == 0 or num_bytes > _MAX_PART_BYTES:
            parts.append(_write_part(lines, folder, known))
            lines, num_bytes = [], 0
    if lines:
        parts.append(_write_part(lines, folder, known))
    return tuple(parts)


def _write_part(lines: Sequence[bytes], folder: BackupFolder, known: set[str]) -> Part:
    return Part(folder.put_rows(b"\n".join(lines) + b"\n", known=known), len(lines))


def load_table(connection: Connection, table: Table, folder: BackupFolder) -> None:
    """Insert every row of a table, in place of what a new database has in it.

    Raises `BackupDamagedError` and `NotRestorableError`.
    """
    target = sa.table(
        table.name, *(sa.column(each.name, WRITINGS[each.kind].type) for each in table.columns)
    )
    if connection.scalar(sa.select(sa.func.count()).select_from(target)):
        connection.execute(sa.delete(target))
    for part in table.parts:
        rows = list(_read_part(table, part, folder))
        try:
            connection.execute(sa.insert(target), rows)
        # psycopg itself refuses a text with the character 0
        except (DBAPIError, ValueError) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            raise NotRestorableError(
                f"rows of {table.name} do not fit into this database: {cause}"
            ) from error


def _read_part(table: Table, part: Part, folder: BackupFolder) -> Iterator[dict[str, Any]]:
    for line in folder.read_lines(part):
        try:
            values = json.loads(line)
            yield {
                column.name: None if value is None else WRITINGS[column.kind].from_json(value)
                for column, value in zip(table.columns, values, strict=True)
            }
        except (ValueError, TypeError, KeyError) as error:
            raise BackupDamagedError(
                f"a row of {table.name} in the object {part.sha256} cannot be read: {error}"
            ) from error


def advance_sequences(connection: Connection, tables: Iterable[Table]) -> None:
    """Let PostgreSQL number on after the rows that were put in with their numbers."""
    if connection.dialect.name != "postgresql":
        return  # SQLite goes by the largest there is
    for table in tables:
        for column in table.columns:
            if column.kind != "integer":
                continue
            name = connection.scalar(
                sa.select(sa.func.pg_get_serial_sequence(table.name, column.name))
            )
            if name is not None:
                numbers = sa.column(column.name, sa.BigInteger())
                last = connection.scalar(
                    sa.select(sa.func.max(numbers)).select_from(sa.table(table.name))
                )
                if last is not None:
                    connection.execute(sa.select(sa.func.setval(name, last)))


def _kind_of(kind: sa.types.TypeEngine[Any]) -> str:
    # in this order: each is what the first that fits says
    if isinstance(kind, sa.JSON):
        return "json_or_null" if kind.none_as_null else "json"
    found: dict[type[Any], str] = {
        UtcDateTime: "moment",
        sa.Boolean: "boolean",
        sa.Integer: "integer",
        sa.Float: "number",
        sa.LargeBinary: "bytes",
        sa.String: "text",
    }
    return next(name for each, name in found.items() if isinstance(kind, each))
