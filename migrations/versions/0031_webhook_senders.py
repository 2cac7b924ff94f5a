"""Say which process sends a webhook's message, in place of a time by which it must have."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0031"
down_revision: str | None = "0030"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None
only_expands: bool = True


def upgrade() -> None:
    """Go forward."""
    op.add_column("webhook_deliveries", sa.Column("sender_id", sa.String(40), nullable=True))


def downgrade() -> None:
    """Go back. What is being sent is tried again after its pause, by the clock."""
    op.drop_column("webhook_deliveries", "sender_id")
