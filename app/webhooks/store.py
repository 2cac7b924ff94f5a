"""Webhooks and what was sent to them: every query. Sends nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from sqlalchemy import CursorResult, select, update
from sqlalchemy.orm import Session

from app.webhooks.errors import WebhookNotFoundError
from app.webhooks.signing import new_signing_secret
from core.database import Database
from core.events import EVENTS, queue_message
from core.ids import new_id
from core.tables import CollectionRow, now
from core.webhook_tables import DeliveryRow, WebhookRow

DeliveryState = Literal["waiting", "delivered", "failed"]


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that is told of events; `collection` is None for those of all collections."""

    id: str
    url: str
    events: tuple[str, ...]
    collection: str | None
    description: str
    is_enabled: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message to a webhook. `status` and `error` are of the last try."""

    id: str
    event: str
    payload: dict[str, Any]
    state: DeliveryState
    attempts: int
    next_at: datetime | None
    status: int | None
    error: str | None
    created_at: datetime
    ended_at: datetime | None


class Webhooks:
    """Every query on webhooks and their messages. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        url: str,
        *,
        events: Sequence[str] = EVENTS,
        collection_id: str | None = None,
        description: str = "",
    ) -> tuple[Webhook, str]:
        """Make a webhook. Its signing secret is returned here and never shown again."""
        row = WebhookRow(
            id=new_id("whk"),
            url=url,
            secret=new_signing_secret(),
            events=" ".join(each for each in EVENTS if each in events),
            collection_id=collection_id,
            description=description,
        )
        with self._database.session_scope() as session:
            session.add(row)
            session.flush()
            return _webhook(session, row), row.secret

    def find_all(self) -> list[Webhook]:
        """All of them, the oldest first."""
        with self._database.read_scope() as session:
            rows = session.scalars(select(WebhookRow).order_by(WebhookRow.id)).all()
            return [_webhook(session, row) for row in rows]

    def get(self, webhook_id: str) -> Webhook:
        """One of them. Raises `WebhookNotFoundError`."""
        with self._database.read_scope() as session:
            return _webhook(session, _row(session, webhook_id))

    def enable(self, webhook_id: str, *, is_enabled: bool) -> Webhook:
        """Tell it of events, or of none any more; what waits goes on waiting meanwhile.

        Raises `WebhookNotFoundError`.
        """
        with self._database.session_scope() as session:
            row = _row(session, webhook_id)
            row.is_enabled = is_enabled
            session.flush()
            return _webhook(session, row)

    def delete(self, webhook_id: str) -> None:
        """Forget it, with its messages. Raises `WebhookNotFoundError`."""
        with self._database.session_scope() as session:
            session.delete(_row(session, webhook_id))

    def ping(self, webhook_id: str) -> Delivery:
        """Queue a message that tells of nothing. Raises `WebhookNotFoundError`."""
        with self._database.session_scope() as session:
            _row(session, webhook_id)
            message_id = queue_message(session, webhook_id, "ping", {"webhook_id": webhook_id})
            session.flush()
            return _delivery(session.get_one(DeliveryRow, message_id))

    def deliveries(
        self, webhook_id: str, *, cursor: str | None = None, limit: int = 100
    ) -> list[Delivery]:
        """Its messages, the newest first. Raises `WebhookNotFoundError`."""
        query = select(DeliveryRow).where(DeliveryRow.webhook_id == webhook_id)
        if cursor is not None:
            query = query.where(DeliveryRow.id < cursor)
        with self._database.read_scope() as session:
            _row(session, webhook_id)
            rows = session.scalars(query.order_by(DeliveryRow.id.desc()).limit(limit)).all()
            return [_delivery(row) for row in rows]

    def resend(self, webhook_id: str, message_id: str) -> Delivery:
        """Send a message anew, with all its tries. Raises `WebhookNotFoundError`."""
        values = {
            "state": "waiting",
            "attempts": 0,
            "next_at": now(),
            "sender_id": None,
            "ended_at": None,
        }
        statement = update(DeliveryRow).where(
            DeliveryRow.id == message_id, DeliveryRow.webhook_id == webhook_id
        )
        with self._database.session_scope() as session:
            result = session.execute(statement.values(values))
            if cast("CursorResult[Any]", result).rowcount == 0:
                raise WebhookNotFoundError(f"webhook {webhook_id!r} has no message {message_id!r}")
            return _delivery(session.get_one(DeliveryRow, message_id))


def _row(session: Session, webhook_id: str) -> WebhookRow:
    row = session.get(WebhookRow, webhook_id)
    if row is None:
        raise WebhookNotFoundError(f"there is no webhook {webhook_id!r}")
    return row


def _webhook(session: Session, row: WebhookRow) -> Webhook:
    named = select(CollectionRow.name).where(CollectionRow.id == row.collection_id)
    # of a deleted collection the id alone is left
    collection = None if row.collection_id is None else session.scalar(named) or row.collection_id
    return Webhook(
        id=row.id,
        url=row.url,
        events=tuple(row.events.split()),
        collection=collection,
        description=row.description,
        is_enabled=row.is_enabled,
        created_at=row.created_at,
    )


def _delivery(row: DeliveryRow) -> Delivery:
    return Delivery(
        id=row.id,
        event=row.event,
        payload=row.payload,
        state=cast("DeliveryState", row.state),
        attempts=row.attempts,
        next_at=row.next_at if row.state == "waiting" else None,
        status=row.status,
        error=row.error,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )
