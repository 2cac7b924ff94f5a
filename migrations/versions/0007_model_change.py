"""Say which embedding model the index is of, and make room for the vectors of the next one."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("manifest", sa.Column("embedding_model", sa.String(length=128), nullable=True))
    op.execute(
        "UPDATE manifest SET embedding_model = (SELECT embedding_model FROM versions "
        "WHERE state = 'searchable' ORDER BY published_at DESC LIMIT 1)"
    )
    op.create_table(
        "next_vectors",
        sa.Column("chunk_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("embedding_model", sa.String(length=128), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["chunk_id"],
            ["chunks.id"],
            name=op.f("fk_next_vectors_chunk_id_chunks"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("chunk_id", name=op.f("pk_next_vectors")),
    )


def downgrade() -> None:
    """Go back."""
    op.drop_table("next_vectors")
    op.drop_column("manifest", "embedding_model")
