"""The tables of people, keys, and what they did. Columns and constraints only."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import Mapped, mapped_column

from core.tables import Base, LargeInteger, UtcDateTime, now


class PersonRow(Base):
    """Somebody who may sign in."""

    __tablename__ = "people"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    # What they sign in with, in lower case. Only an owner changes it.
    name: Mapped[str] = mapped_column(String(64), unique=True)
    display_name: Mapped[str] = mapped_column(String(128), default="")
    # By it an identity provider's account is found to be theirs, once.
    email: Mapped[str | None] = mapped_column(String(254), unique=True)
    # Argon2id with its salt and parameters; None until they choose a password.
    password_hash: Mapped[str | None] = mapped_column(String(255))
    # Owns the service: every collection, and the people.
    is_owner: Mapped[bool] = mapped_column(default=False)
    is_disabled: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class IdentityRow(Base):
    """The account of a person at an identity provider."""

    __tablename__ = "identities"

    issuer: Mapped[str] = mapped_column(String(255), primary_key=True)
    subject: Mapped[str] = mapped_column(String(255), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class GroupRow(Base):
    """People who are given access together."""

    __tablename__ = "groups"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class GroupMemberRow(Base):
    """A person in a group."""

    __tablename__ = "group_members"

    group_id: Mapped[str] = mapped_column(
        ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True
    )
    person_id: Mapped[str] = mapped_column(
        ForeignKey("people.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class GrantRow(Base):
    """The role of a person, or of everybody in a group, in a collection."""

    __tablename__ = "grants"
    __table_args__ = (
        UniqueConstraint("collection_id", "person_id", name="uq_grants_collection_id_person_id"),
        UniqueConstraint("collection_id", "group_id", name="uq_grants_collection_id_group_id"),
        CheckConstraint("(person_id IS NULL) <> (group_id IS NULL)", name="ck_grants_one_holder"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    collection_id: Mapped[str] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    person_id: Mapped[str | None] = mapped_column(
        ForeignKey("people.id", ondelete="CASCADE"), index=True
    )
    group_id: Mapped[str | None] = mapped_column(
        ForeignKey("groups.id", ondelete="CASCADE"), index=True
    )
    role: Mapped[str] = mapped_column(String(16))


class KeyUsageRow(Base):
    """How many tokens a key has taken on one day, in UTC."""

    __tablename__ = "key_usage"

    key_id: Mapped[str] = mapped_column(
        ForeignKey("api_keys.id", ondelete="CASCADE"), primary_key=True
    )
    # as in 2026-11-27
    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    num_tokens: Mapped[int] = mapped_column(LargeInteger, default=0)


class AuditRow(Base):
    """Something that somebody did. The database itself refuses to change or remove one.

    It outlives what was done to, and never holds a word of a document, a question or an answer,
    nor a document's name.
    """

    __tablename__ = "audit_events"
    __table_args__ = (Index("ix_audit_events_actor_id", "actor", "id"),)

    # Ids sort by time.
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    # Name of the caller, as answers have it, and what people call them.
    actor: Mapped[str] = mapped_column(String(80))
    actor_label: Mapped[str] = mapped_column(String(128))
    action: Mapped[str] = mapped_column(String(64), index=True)
    collection: Mapped[str | None] = mapped_column(String(64), index=True)
    target: Mapped[str | None] = mapped_column(String(512))
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    request_id: Mapped[str] = mapped_column(String(40), default="")


class ApiKeyRow(Base):
    """A key of a calling service, or of a person; only its hash is kept.

    is_limited: whether it opens only the collections of its `ApiKeyCollectionRow`s. A flag of its
    own, since one whose collections were all deleted must open nothing, not everything.
    """

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(128))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    is_limited: Mapped[bool] = mapped_column(server_default=false())
    # Whose it is: it sees what they see, while they see it. None for a service's own. Not a foreign
    # key: SQLite would have to copy the table, and dropping the old one empties what points at it.
    person_id: Mapped[str | None] = mapped_column(String(40), index=True)
    # names of scopes with a space between
    scopes: Mapped[str] = mapped_column(String(64), server_default="read ask write manage")
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    max_requests_per_minute: Mapped[int | None] = mapped_column(Integer)
    max_tokens_per_day: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class ApiKeyCollectionRow(Base):
    """A collection that a limited key opens."""

    __tablename__ = "api_key_collections"

    key_id: Mapped[str] = mapped_column(
        ForeignKey("api_keys.id", ondelete="CASCADE"), primary_key=True
    )
    collection_id: Mapped[str] = mapped_column(
        ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True
    )


class SignInLinkRow(Base):
    """A link that signs one browser in, once; and so invites, or lets choose a new password."""

    __tablename__ = "sign_in_links"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    # Whom it signs in; None for the owner, whom the first such link makes.
    person_id: Mapped[str | None] = mapped_column(
        ForeignKey("people.id", ondelete="CASCADE"), index=True
    )
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class WebSessionRow(Base):
    """A signed-in browser; only the hash of its cookie is kept."""

    __tablename__ = "web_sessions"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    # What the browser said it is, shortened: for its owner to know it by.
    browser: Mapped[str] = mapped_column(String(120), server_default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class IdempotencyKeyRow(Base):
    """What a request made that may be sent again under its key. No words, of a key either.

    It may be gone, or still to come: nothing but the code ties the two together.
    """

    __tablename__ = "idempotency_keys"

    asker: Mapped[str] = mapped_column(String(80), primary_key=True)
    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    body_hash: Mapped[str] = mapped_column(String(64))
    made_id: Mapped[str] = mapped_column(String(40), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
