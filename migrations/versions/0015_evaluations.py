"""Keep evaluation runs, and say which versions their questions and evidence hold words of."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "evaluations",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("asker", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=True),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("collections", sa.JSON(), nullable=True),
        sa.Column("collection_ids", sa.JSON(), nullable=True),
        sa.Column("top_k", sa.Integer(), nullable=True),
        sa.Column("min_confidence", sa.Float(), nullable=True),
        sa.Column("prompt", sa.String(length=120), nullable=False),
        sa.Column("num_cases", sa.Integer(), nullable=False),
        sa.Column("num_asked", sa.Integer(), nullable=False),
        sa.Column("num_wanted", sa.Integer(), nullable=False),
        sa.Column("num_tried", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("manifest", sa.JSON(), nullable=True),
        sa.Column("summary", sa.JSON(), nullable=True),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluations")),
    )
    for column in ("asker", "prompt", "state"):
        op.create_index(f"ix_evaluations_{column}", "evaluations", [column])
    op.create_table(
        "evaluation_cases",
        sa.Column("evaluation_id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("asked", sa.JSON(), nullable=False),
        sa.Column("result", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("redacted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["evaluation_id"],
            ["evaluations.id"],
            name=op.f("fk_evaluation_cases_evaluation_id_evaluations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("evaluation_id", "number", name=op.f("pk_evaluation_cases")),
    )
    op.create_table(
        "evaluation_sources",
        sa.Column("evaluation_id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version_id", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["evaluation_id", "number"],
            ["evaluation_cases.evaluation_id", "evaluation_cases.number"],
            name=op.f("fk_evaluation_sources_evaluation_id_evaluation_cases"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["versions.id"],
            name=op.f("fk_evaluation_sources_version_id_versions"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint(
            "evaluation_id", "number", "version_id", name=op.f("pk_evaluation_sources")
        ),
    )
    op.create_index("ix_evaluation_sources_version_id", "evaluation_sources", ["version_id"])


def downgrade() -> None:
    """Go back."""
    op.drop_table("evaluation_sources")
    op.drop_table("evaluation_cases")
    op.drop_table("evaluations")
