"""Keep what was fitted to a collection's own questions."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "calibrations",
        sa.Column("collection_id", sa.String(length=40), nullable=False),
        sa.Column("embedding_model", sa.String(length=128), nullable=False),
        sa.Column("weights", sa.JSON(), nullable=False),
        sa.Column("min_confidence", sa.Float(), nullable=False),
        sa.Column("num_questions", sa.Integer(), nullable=False),
        sa.Column("questions_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_calibrations_collection_id_collections"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("collection_id", name=op.f("pk_calibrations")),
    )


def downgrade() -> None:
    """Go back."""
    op.drop_table("calibrations")
