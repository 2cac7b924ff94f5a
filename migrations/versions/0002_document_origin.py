"""Note which synchronised folder a document came from, and the last number of its versions."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("documents", sa.Column("origin", sa.Text(), nullable=True))
    op.add_column(
        "documents", sa.Column("last_number", sa.Integer(), nullable=False, server_default="0")
    )
    op.execute(
        "UPDATE documents SET last_number = COALESCE("
        "(SELECT MAX(number) FROM versions WHERE versions.document_id = documents.id), 0)"
    )
