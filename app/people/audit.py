"""The audit log: who did what, and when. Only ever added to; never holds words of a document.

Nor its name, since nothing here is ever taken out again and a deleted document leaves no byte:
names are looked up when the log is read, for as long as there is the document.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from app.people.later import LaterWrites
from core.database import Database
from core.ids import new_id
from core.people_tables import AuditRow
from core.tables import DocumentRow, now


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that somebody did, to be recorded.

    actor: name of the caller, as answers have it. target: what it was done to, by id or name.
    """

    action: str
    actor: str
    actor_label: str = ""
    collection: str | None = None
    target: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """A deed as it was recorded. `document`: name of the one that it was done to, while there."""

    id: str
    at: datetime
    deed: Deed
    document: str | None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events to list; None does not filter. `action` may be a beginning: `document.`"""

    actor: str | None = None
    action: str | None = None
    collection: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditLog:
    """Every query on the log. Thread-safe."""

    def __init__(self, database: Database, later: LaterWrites) -> None:
        self._database = database
        self._later = later

    def record(self, deed: Deed) -> None:
        """Keep what was done; once this returns, it is safe from any crash."""
        with self._database.session_scope() as session:
            session.execute(insert(AuditRow).values(_values(deed)))

    def record_soon(self, deed: Deed) -> None:
        """Keep what was read, within a second: nobody waits for it, and a crash may lose it."""
        values = _values(deed)

        def write(session: Session) -> None:
            session.execute(insert(AuditRow).values(values))

        self._later.put(values["id"], write)

    def list(
        self, where: AuditFilter | None = None, *, cursor: str | None = None, limit: int = 100
    ) -> Sequence[AuditEvent]:
        """Events, the newest first; the id of the last one is the next cursor."""
        self._later.flush()
        where = where or AuditFilter()
        query = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
        if where.actor is not None:
            query = query.where(AuditRow.actor == where.actor)
        if where.action is not None:
            query = query.where(AuditRow.action.startswith(where.action, autoescape=True))
        if where.collection is not None:
            query = query.where(AuditRow.collection == where.collection)
        if where.since is not None:
            query = query.where(AuditRow.at >= where.since)
        if where.until is not None:
            query = query.where(AuditRow.at < where.until)
        if cursor is not None:
            query = query.where(AuditRow.id < cursor)
        with self._database.read_scope() as session:
            rows = session.scalars(query).all()
            names = _document_names(session, [row.target for row in rows])
        return [_event(row, names.get(row.target or "")) for row in rows]


def _values(deed: Deed) -> dict[str, Any]:
    return {
        "id": new_id("evt"),
        "at": now(),
        "actor": deed.actor,
        "actor_label": deed.actor_label,
        "action": deed.action,
        "collection": deed.collection,
        "target": deed.target,
        "details": dict(deed.details),
        "request_id": deed.request_id,
    }


def _document_names(session: Session, targets: Sequence[str | None]) -> dict[str, str]:
    found = select(DocumentRow.id, DocumentRow.name).where(DocumentRow.id.in_(targets))
    return {row.id: row.name for row in session.execute(found)}


def _event(row: AuditRow, document: str | None) -> AuditEvent:
    deed = Deed(
        action=row.action,
        actor=row.actor,
        actor_label=row.actor_label,
        collection=row.collection,
        target=row.target,
        details=row.details,
        request_id=row.request_id,
    )
    return AuditEvent(row.id, row.at, deed, document)
