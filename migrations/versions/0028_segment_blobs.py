"""Name the blob that a segment is packed in, for machines that do not share a folder."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0028"
down_revision: str | None = "0027"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("segments", sa.Column("sha256", sa.String(64), nullable=True))


def downgrade() -> None:
    """Go back. What is in the store stays there until somebody empties it."""
    op.drop_column("segments", "sha256")
