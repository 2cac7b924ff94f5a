"""Let a key open some collections only."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Go forward."""
    op.add_column(
        "api_keys", sa.Column("is_limited", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.create_table(
        "api_key_collections",
        sa.Column("key_id", sa.String(length=40), nullable=False),
        sa.Column("collection_id", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["key_id"],
            ["api_keys.id"],
            name=op.f("fk_api_key_collections_key_id_api_keys"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_api_key_collections_collection_id_collections"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("key_id", "collection_id", name=op.f("pk_api_key_collections")),
    )


def downgrade() -> None:
    """Go back."""
    op.drop_table("api_key_collections")
    op.drop_column("api_keys", "is_limited")
