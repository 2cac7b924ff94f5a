"""Enter answers that are being written, and tell processes that serve from those that ingest."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0025"
down_revision: str | None = "0024"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Go forward."""
    role = sa.Column("role", sa.String(16), nullable=False, server_default="ingest")
    op.add_column("workers", role)
    op.create_table(
        "running_answers",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("writer_id", sa.String(40), nullable=False),
        sa.Column("asker", sa.String(80), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.String(40), nullable=True),
        sa.Column("parent_id", sa.String(40), nullable=True),
        sa.Column("collections", sa.JSON(), nullable=True),
        sa.Column("response", sa.JSON(), nullable=False),
        sa.Column("num_events", sa.Integer(), nullable=False),
        sa.Column("is_cancelled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_running_answers_writer_id", "running_answers", ["writer_id"])


def downgrade() -> None:
    """Go back. What is being written has no end where its process dies."""
    op.drop_table("running_answers")
    op.execute("DELETE FROM workers WHERE role <> 'ingest'")
    op.drop_column("workers", "role")
