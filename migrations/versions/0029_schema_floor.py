"""Keep which older code may still work on the schema."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0029"
down_revision: str | None = "0028"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None
only_expands: bool = True


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "schema_floor",
        sa.Column("revision", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_schema_floor")),
    )


def downgrade() -> None:
    """Go back. Only code of exactly this schema works on it from now on."""
    op.drop_table("schema_floor")
