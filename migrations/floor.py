"""The oldest revision whose code may work on the schema, as the database itself remembers it."""

import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from core.tables import SchemaFloorRow


def keep_floor(connection: Connection, scripts: ScriptDirectory) -> None:
    """Write it down: from there on every migration up to the present one only expands.

    Nothing happens where the schema is older than the table for it.
    """
    if not _is_kept(connection):
        return
    found = MigrationContext.configure(connection).get_current_revision()
    script = scripts.get_revision(str(found))
    while getattr(script.module, "only_expands", False):
        script = scripts.get_revision(str(script.down_revision))
    connection.execute(sa.delete(SchemaFloorRow))
    connection.execute(sa.insert(SchemaFloorRow).values(revision=script.revision))


def find_floor(connection: Connection) -> str | None:
    """What was written; None where nothing was."""
    if not _is_kept(connection):
        return None
    return connection.scalar(sa.select(SchemaFloorRow.revision))


def _is_kept(connection: Connection) -> bool:
    return sa.inspect(connection).has_table(SchemaFloorRow.__tablename__)
