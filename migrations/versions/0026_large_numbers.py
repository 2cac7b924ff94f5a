"""Let PostgreSQL hold what may pass 2^31: sizes, generations, chunk ids, tokens of a day."""

from collections.abc import Sequence

from alembic import op

revision: str = "0026"
down_revision: str | None = "0025"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_COLUMNS = {
    "versions": ("num_bytes", "generation"),
    "chunks": ("id",),
    "next_vectors": ("chunk_id",),
    "deleted_chunks": ("chunk_id", "generation"),
    "chunk_ids": ("next_id",),
    "manifest": ("generation", "last_deletion"),
    "key_usage": ("num_tokens",),
}


def upgrade() -> None:
    """Go forward. PostgreSQL writes each of these tables anew."""
    _change_to("BIGINT")


def downgrade() -> None:
    """Go back. Refused by the database where a number has become too large for it."""
    _change_to("INTEGER")


def _change_to(kind: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        return  # its integers have 64 bits already
    for table, columns in _COLUMNS.items():
        # all of a table at once: each statement copies it
        changes = ", ".join(f"ALTER COLUMN {column} TYPE {kind}" for column in columns)
        op.execute(f"ALTER TABLE {table} {changes}")
