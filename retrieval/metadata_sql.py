"""Two questions about JSON that SQLAlchemy has no words for, on SQLite and PostgreSQL."""

from typing import Any, Final

from sqlalchemy import Boolean, ColumnElement, String, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

IS_TEXT: Final[tuple[str, ...]] = ("text", "string")
IS_NUMBER: Final[tuple[str, ...]] = ("integer", "real", "number")
IS_BOOLEAN: Final[tuple[str, ...]] = ("true", "false", "boolean")


class _Kind(GenericFunction[str]):
    type = String()
    inherit_cache = True
    name = "metadata_kind"


class _Has(GenericFunction[bool]):
    type = Boolean()
    inherit_cache = True
    name = "metadata_has"


def metadata_kind(column: Any, key: str) -> ColumnElement[str]:
    """What kind of value a key has: one of the words above, or another, or NULL."""
    return _Kind(column, literal(f'$."{key}"'), literal(key))


def metadata_has(column: Any, key: str, value: str) -> ColumnElement[bool]:
    """Whether the value of a key is this text, or a list that holds it."""
    return _Has(column, literal(f'$."{key}"'), literal(key), literal(value))


@compiles(_Kind, "sqlite")
def _kind_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    column, path, _ = (compiler.process(clause, **options) for clause in element.clauses)
    return f"json_type({column}, {path})"


@compiles(_Kind, "postgresql")
def _kind_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    column, _, key = element.clauses
    return (
        f"json_typeof({compiler.process(column, **options)} -> {compiler.process(key, **options)})"
    )


@compiles(_Has, "sqlite")
def _has_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    column, path, _, value = element.clauses
    source = f"{compiler.process(column, **options)}, {compiler.process(path, **options)}"
    # its value is bound, as every other; only the shape is written here
    wanted = compiler.process(value, **options)
    return f"EXISTS (SELECT 1 FROM json_each({source}) AS held WHERE held.value = {wanted})"  # noqa: S608


@compiles(_Has, "postgresql")
def _has_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    column, _, key, value = (compiler.process(clause, **options) for clause in element.clauses)
    return f"jsonb_exists(({column} -> {key})::jsonb, {value})"
