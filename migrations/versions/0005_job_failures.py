"""How often in a row a job failed with an error that may go away by itself."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Go forward."""
    with op.batch_alter_table("jobs") as jobs:
        jobs.add_column(sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
    # The default was for the rows that there are; the code names its own.
    with op.batch_alter_table("jobs") as jobs:
        jobs.alter_column("failures", server_default=None)


def downgrade() -> None:
    """Go back."""
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_column("failures")
