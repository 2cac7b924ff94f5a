"""Alembic's entry point. Only ever runs over the connection that `migrations.upgrade` opened.

That connection's one transaction, committed by `upgrade`, is around every migration: a failed
upgrade leaves the schema as it was, and a second process that upgrades at the same moment waits and
then finds nothing to do.
"""

from alembic import context

from core.tables import Base
from migrations.floor import keep_floor

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    # SQLite alters a table by copying it.
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
    keep_floor(connection, context.script)
