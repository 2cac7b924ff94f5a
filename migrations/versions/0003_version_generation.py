"""The generation of the index at which a version became searchable, for what follows the rows."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Go forward. Versions from before stay without: an index that has none of them reads all."""
    op.add_column("versions", sa.Column("generation", sa.Integer(), nullable=True))
    op.create_index(op.f("ix_versions_generation"), "versions", ["generation"])
