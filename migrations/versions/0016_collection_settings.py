"""Let a collection say how it is answered from."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Go forward."""
    settings = sa.Column("settings", sa.JSON(), nullable=False, server_default="{}")
    op.add_column("collections", settings)


def downgrade() -> None:
    """Go back."""
    op.drop_column("collections", "settings")
