"""What happens to documents and jobs, for webhooks: queued in the transaction that makes it happen.

So an event is told of if and only if its cause was committed, however often processes die.
"""

from collections.abc import Mapping
from typing import Final, Literal, get_args

from sqlalchemy import insert, or_, select
from sqlalchemy.orm import Session

from core.ids import new_id
from core.tables import CollectionRow, DocumentRow, VersionRow, now
from core.webhook_tables import DeliveryRow, WebhookRow

EventName = Literal[
    "document.searchable",
    "document.deleted",
    "collection.deleted",
    "job.failed",
    "job.cancelled",
]
EVENTS: Final[tuple[EventName, ...]] = get_args(EventName)


def tell_of_version(session: Session, event: EventName, version_id: str, **more: object) -> None:
    """Queue an event about a version of a document and its job. `more` are facts without words."""
    if not _is_anybody_told(session):
        return
    query = (
        select(VersionRow.number, DocumentRow.id, DocumentRow.collection_id, CollectionRow.name)
        .join(DocumentRow, DocumentRow.id == VersionRow.document_id)
        .join(CollectionRow, CollectionRow.id == DocumentRow.collection_id)
        .where(VersionRow.id == version_id)
    )
    row = session.execute(query).one_or_none()
    if row is None:
        return
    number, document_id, collection_id, name = row
    data = {"document_id": document_id, "version": number, "job_id": version_id}
    _queue(session, event, collection_id, {"collection": name, **data, **more})


def tell_of_collection(
    session: Session, event: EventName, collection_id: str, **more: object
) -> None:
    """Queue an event about something in a collection that is there, or is deleted just now."""
    if not _is_anybody_told(session):
        return
    name = session.scalars(
        select(CollectionRow.name).where(CollectionRow.id == collection_id)
    ).one()
    _queue(session, event, collection_id, {"collection": name, **more})


def queue_message(session: Session, webhook_id: str, event: str, data: Mapping[str, object]) -> str:
    """Queue a message to one webhook. Returns its id."""
    message_id, moment = new_id("msg"), now()
    session.execute(
        insert(DeliveryRow).values(
            id=message_id,
            webhook_id=webhook_id,
            event=event,
            payload={"type": event, "timestamp": moment.isoformat(), "data": dict(data)},
            next_at=moment,
            created_at=moment,
        )
    )
    return message_id


def _is_anybody_told(session: Session) -> bool:
    # asked first, and of a table with a handful of rows: most services have no webhook
    enabled = select(WebhookRow.id).where(WebhookRow.is_enabled).limit(1)
    return session.scalar(enabled) is not None


def _queue(
    session: Session, event: EventName, collection_id: str, data: Mapping[str, object]
) -> None:
    wanted = select(WebhookRow.id, WebhookRow.events).where(
        WebhookRow.is_enabled,
        or_(WebhookRow.collection_id.is_(None), WebhookRow.collection_id == collection_id),
    )
    for webhook_id, events in session.execute(wanted).all():
        if event in events.split():
            queue_message(session, webhook_id, event, data)
