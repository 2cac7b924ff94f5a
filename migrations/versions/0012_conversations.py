"""Let answers belong to conversations."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "conversations",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("asker", sa.String(length=80), nullable=False),
        sa.Column("title", sa.String(length=120), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
    )
    op.create_index("ix_conversations_asker", "conversations", ["asker"])
    with op.batch_alter_table("answers") as answers:
        answers.add_column(sa.Column("conversation_id", sa.String(length=40), nullable=True))
        answers.add_column(sa.Column("parent_id", sa.String(length=40), nullable=True))
        answers.create_foreign_key(
            op.f("fk_answers_conversation_id_conversations"),
            "conversations",
            ["conversation_id"],
            ["id"],
            ondelete="CASCADE",
        )
        answers.create_index("ix_answers_conversation_id", ["conversation_id"])


def downgrade() -> None:
    """Go back."""
    with op.batch_alter_table("answers") as answers:
        answers.drop_index("ix_answers_conversation_id")
        answers.drop_constraint(
            op.f("fk_answers_conversation_id_conversations"), type_="foreignkey"
        )
        answers.drop_column("parent_id")
        answers.drop_column("conversation_id")
    op.drop_table("conversations")
