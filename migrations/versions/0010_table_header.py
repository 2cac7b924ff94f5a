"""Keep the header of the table whose rows a chunk goes on with."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("chunks", sa.Column("table_header", sa.Text(), nullable=True))


def downgrade() -> None:
    """Go back."""
    op.drop_column("chunks", "table_header")
