"""Let a version say which version it was attached to, and a chunk its language."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("versions", sa.Column("parent_id", sa.String(40), nullable=True))
    op.create_index("ix_versions_parent_id", "versions", ["parent_id"])
    op.add_column("chunks", sa.Column("language", sa.String(8), nullable=True))
