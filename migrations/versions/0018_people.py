"""Let people sign in with accounts of their own, share collections, and narrow keys further."""

from collections.abc import Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from core.ids import new_id

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_ALL_SCOPES = "read ask write manage"


def upgrade() -> None:
    """Go forward. Who was signed in by a link is the owner from now on."""
    _create_people()
    _create_groups()
    _create_grants()
    _extend_sessions(_make_owner_of_sessions())
    with op.batch_alter_table("sign_in_links") as links:
        links.add_column(sa.Column("person_id", sa.String(length=40), nullable=True))
        links.create_foreign_key(
            op.f("fk_sign_in_links_person_id_people"),
            "people",
            ["person_id"],
            ["id"],
            ondelete="CASCADE",
        )
        links.create_index("ix_sign_in_links_person_id", ["person_id"])
    _extend_keys()


def downgrade() -> None:
    """Go back. What opens less than everything would open everything: it is removed first."""
    op.drop_table("key_usage")
    keys = sa.table(
        "api_keys", sa.column("person_id"), sa.column("scopes"), sa.column("expires_at")
    )
    narrowed = sa.or_(
        keys.c.person_id.is_not(None),
        keys.c.expires_at.is_not(None),
        keys.c.scopes != _ALL_SCOPES,
    )
    op.execute(sa.delete(keys).where(narrowed))
    op.drop_index("ix_api_keys_person_id", "api_keys")
    for column in (
        *("person_id", "scopes", "expires_at", "last_used_at"),
        *("max_requests_per_minute", "max_tokens_per_day"),
    ):
        op.drop_column("api_keys", column)
    op.execute(sa.delete(sa.table("sign_in_links")))
    op.execute(sa.delete(sa.table("web_sessions")))
    with op.batch_alter_table("sign_in_links") as links:
        links.drop_index("ix_sign_in_links_person_id")
        links.drop_constraint(op.f("fk_sign_in_links_person_id_people"), type_="foreignkey")
        links.drop_column("person_id")
    with op.batch_alter_table("web_sessions") as sessions:
        sessions.drop_index("ix_web_sessions_person_id")
        sessions.drop_constraint(op.f("fk_web_sessions_person_id_people"), type_="foreignkey")
        sessions.drop_column("person_id")
        sessions.drop_column("browser")
    for table in ("grants", "group_members", "groups", "people"):
        op.drop_table(table)


def _create_people() -> None:
    op.create_table(
        "people",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("display_name", sa.String(length=128), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("password_hash", sa.String(length=255), nullable=True),
        sa.Column("is_owner", sa.Boolean(), nullable=False),
        sa.Column("is_disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
        sa.UniqueConstraint("name", name=op.f("uq_people_name")),
        sa.UniqueConstraint("email", name=op.f("uq_people_email")),
    )


def _create_groups() -> None:
    op.create_table(
        "groups",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_groups")),
        sa.UniqueConstraint("name", name=op.f("uq_groups_name")),
    )
    op.create_table(
        "group_members",
        sa.Column("group_id", sa.String(length=40), nullable=False),
        sa.Column("person_id", sa.String(length=40), nullable=False),
        _foreign_key("group_members", "group_id", "groups"),
        _foreign_key("group_members", "person_id", "people"),
        sa.PrimaryKeyConstraint("group_id", "person_id", name=op.f("pk_group_members")),
    )
    op.create_index("ix_group_members_person_id", "group_members", ["person_id"])


def _create_grants() -> None:
    op.create_table(
        "grants",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("collection_id", sa.String(length=40), nullable=False),
        sa.Column("person_id", sa.String(length=40), nullable=True),
        sa.Column("group_id", sa.String(length=40), nullable=True),
        sa.Column("role", sa.String(length=16), nullable=False),
        _foreign_key("grants", "collection_id", "collections"),
        _foreign_key("grants", "person_id", "people"),
        _foreign_key("grants", "group_id", "groups"),
        sa.CheckConstraint(
            "(person_id IS NULL) <> (group_id IS NULL)", name=op.f("ck_grants_one_holder")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
        sa.UniqueConstraint(
            "collection_id", "person_id", name=op.f("uq_grants_collection_id_person_id")
        ),
        sa.UniqueConstraint(
            "collection_id", "group_id", name=op.f("uq_grants_collection_id_group_id")
        ),
    )
    op.create_index("ix_grants_person_id", "grants", ["person_id"])
    op.create_index("ix_grants_group_id", "grants", ["group_id"])


def _extend_sessions(owner_id: str | None) -> None:
    with op.batch_alter_table("web_sessions") as sessions:
        sessions.add_column(sa.Column("person_id", sa.String(length=40), nullable=True))
        sessions.add_column(
            sa.Column("browser", sa.String(length=120), server_default="", nullable=False)
        )
    rows = sa.table("web_sessions", sa.column("person_id"))
    op.execute(sa.update(rows).values(person_id=owner_id))
    with op.batch_alter_table("web_sessions") as sessions:
        sessions.alter_column("person_id", existing_type=sa.String(length=40), nullable=False)
        sessions.create_foreign_key(
            op.f("fk_web_sessions_person_id_people"),
            "people",
            ["person_id"],
            ["id"],
            ondelete="CASCADE",
        )
        sessions.create_index("ix_web_sessions_person_id", ["person_id"])


def _make_owner_of_sessions() -> str | None:
    """The account that goes on with every session and what was asked in them; None without any."""
    connection = op.get_bind()
    sessions = sa.table("web_sessions", sa.column("token_hash"))
    asked = [
        sa.table(name, sa.column("asker", sa.String()))
        for name in ("answers", "conversations", "evaluations")
    ]
    counts = [
        connection.scalar(sa.select(sa.func.count()).select_from(sessions)),
        *(
            connection.scalar(
                sa.select(sa.func.count()).select_from(each).where(each.c.asker.like("session:%"))
            )
            for each in asked
        ),
    ]
    if not any(counts):
        return None
    owner_id = new_id("per")
    people = sa.table(
        "people",
        *map(sa.column, ("id", "name", "display_name", "is_owner", "is_disabled")),
        sa.column("created_at", sa.DateTime(timezone=True)),
    )
    row = {"id": owner_id, "name": "owner", "display_name": "", "is_owner": True}
    row |= {"is_disabled": False, "created_at": datetime.now(UTC)}
    connection.execute(sa.insert(people).values(row))
    for each in asked:
        theirs = sa.update(each).where(each.c.asker.like("session:%"))
        connection.execute(theirs.values(asker=f"person:{owner_id}"))
    return owner_id


def _extend_keys() -> None:
    # Column by column, not as a batch: that copies the table, and dropping the old one would
    # empty api_key_collections.
    for column in (
        sa.Column("person_id", sa.String(length=40), nullable=True),
        sa.Column("scopes", sa.String(length=64), server_default=_ALL_SCOPES, nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("max_requests_per_minute", sa.Integer(), nullable=True),
        sa.Column("max_tokens_per_day", sa.Integer(), nullable=True),
    ):
        op.add_column("api_keys", column)
    op.create_index("ix_api_keys_person_id", "api_keys", ["person_id"])
    op.create_table(
        "key_usage",
        sa.Column("key_id", sa.String(length=40), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("num_tokens", sa.Integer(), nullable=False),
        _foreign_key("key_usage", "key_id", "api_keys"),
        sa.PrimaryKeyConstraint("key_id", "day", name=op.f("pk_key_usage")),
    )


def _foreign_key(table: str, column: str, referred: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{referred}")
    return sa.ForeignKeyConstraint([column], [f"{referred}.id"], name=name, ondelete="CASCADE")
