"""The tables of webhooks and of what is still to be sent to them. Columns and constraints only."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from core.tables import Base, UtcDateTime, now


class WebhookRow(Base):
    """An address that is told of events."""

    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    url: Mapped[str] = mapped_column(String(2048))
    # What its messages are signed with: whoever checks a signature needs the same secret.
    secret: Mapped[str] = mapped_column(String(64))
    # Names of events, with spaces between them.
    events: Mapped[str] = mapped_column(String(512))
    # None tells of all collections. No foreign key: it is still to be told of the deletion.
    collection_id: Mapped[str | None] = mapped_column(String(40))
    description: Mapped[str] = mapped_column(String(200), default="")
    is_enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class DeliveryRow(Base):
    """A message to a webhook: waiting for its next try, delivered, or given up."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index("ix_webhook_deliveries_state_next_at", "state", "next_at"),
        Index("ix_webhook_deliveries_webhook_id_id", "webhook_id", "id"),
    )

    # Also the id of the message, by which a receiver knows that it has it already.
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    event: Mapped[str] = mapped_column(String(64))
    # Ids and codes; never a word or the name of a document, which may be deleted meanwhile.
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(16), default="waiting")
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    # When it is tried next, by the clock; who takes it moves it on for the version before 0031,
    # which knows no senders.
    next_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    # The row in `workers` of the process that sends it now; it is that process's while it lives.
    sender_id: Mapped[str | None] = mapped_column(String(40))
    # Of the last try: the status of the reply, or why there was none.
    status: Mapped[int | None] = mapped_column(Integer)
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
