"""Keep adapters by name and version, and which one answers from a collection."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0030"
down_revision: str | None = "0029"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None
only_expands: bool = True


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "adapters",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column(
            "num_bytes", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("base_sha256", sa.String(64), nullable=False),
        sa.Column("prompt", sa.String(80), nullable=False),
        sa.Column("style", sa.String(8), nullable=True),
        sa.Column("created_by", sa.String(80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", "version", name=op.f("pk_adapters")),
    )
    op.create_index("ix_adapters_sha256", "adapters", ["sha256"])
    op.create_table(
        "adapter_activations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("collection_id", sa.String(40), nullable=False),
        sa.Column("reference", sa.String(80), nullable=True),
        sa.Column("before_id", sa.Integer(), nullable=True),
        sa.Column("is_rollback", sa.Boolean(), nullable=False),
        sa.Column("created_by", sa.String(80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_adapter_activations_collection_id_collections"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_adapter_activations")),
    )
    op.create_index(
        "ix_adapter_activations_collection_id", "adapter_activations", ["collection_id"]
    )


def downgrade() -> None:
    """Go back. Collections are answered from without adapters; the files stay."""
    op.drop_table("adapter_activations")
    op.drop_table("adapters")
