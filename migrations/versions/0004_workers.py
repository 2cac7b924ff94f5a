"""Several workers on one queue: who lives, who holds a job, whose turn it is, how fast it goes."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "workers",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("machine", sa.String(length=64), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("beats", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )
    with op.batch_alter_table("jobs") as jobs:
        jobs.add_column(sa.Column("lane", sa.String(length=80), nullable=False, server_default=""))
        jobs.add_column(sa.Column("turn", sa.Integer(), nullable=False, server_default="1"))
        jobs.add_column(sa.Column("lease", sa.Integer(), nullable=False, server_default="0"))
        jobs.add_column(sa.Column("worker_id", sa.String(length=40), nullable=True))
        jobs.add_column(sa.Column("rate", sa.Float(), nullable=True))
    # The defaults were for the rows that there are; the code names its own.
    with op.batch_alter_table("jobs") as jobs:
        for name in ("lane", "turn", "lease"):
            jobs.alter_column(name, server_default=None)
    op.create_index("ix_jobs_state_turn", "jobs", ["state", "turn"])
    op.create_index("ix_jobs_lane_state_turn", "jobs", ["lane", "state", "turn"])


def downgrade() -> None:
    """Go back."""
    op.drop_index("ix_jobs_lane_state_turn", "jobs")
    op.drop_index("ix_jobs_state_turn", "jobs")
    with op.batch_alter_table("jobs") as jobs:
        for name in ("rate", "worker_id", "lease", "turn", "lane"):
            jobs.drop_column(name)
    op.drop_table("workers")
