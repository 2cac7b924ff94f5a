"""Say when something was last deleted: caches of other processes forget what they hold of it."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("manifest", sa.Column("last_deletion", sa.Integer(), nullable=True))


def downgrade() -> None:
    """Go back."""
    op.drop_column("manifest", "last_deletion")
