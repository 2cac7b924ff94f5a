"""Answers that came to their end: keep, show, delete. One place decides whose they are to read."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.errors import AnswerNotFoundError
from core.access import Caller
from core.answer_tables import AnswerRow, AnswerSourceRow
from core.database import Database
from core.ids import AnswerId, CollectionId, VersionId
from core.redaction import Response, Source, redact
from core.tables import DocumentRow, VersionRow, now


@dataclass(frozen=True, slots=True)
class EndedAnswer:
    """An answer to be kept. `sources` are the versions whose words it holds."""

    id: AnswerId
    asker: str
    question: str
    collections: tuple[str, ...] | None
    status: str
    response: Response
    sources: Mapping[VersionId, Source]
    num_events: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer as it is kept. `response` is the whole of it, in the shape of the API."""

    id: AnswerId
    question: str
    collections: tuple[str, ...] | None
    status: str
    response: Response
    num_events: int
    created_at: datetime
    finished_at: datetime
    redacted_at: datetime | None


class Answers:
    """Every query on stored answers. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, ended: EndedAnswer) -> StoredAnswer:
        """Store an answer, in one transaction, without the words of what was deleted meanwhile.

        What comes back is what was stored: a caller is shown that, and nothing else.
        """
        with self._database.session_scope() as session:
            live = _lock_live(session, ended.sources)
            gone = {source for each, source in ended.sources.items() if each not in live}
            response = redact(ended.response, gone)
            row = AnswerRow(
                id=ended.id,
                asker=ended.asker,
                question=ended.question,
                collections=None if ended.collections is None else list(ended.collections),
                status=ended.status,
                response=response,
                num_events=ended.num_events,
                created_at=ended.created_at,
                finished_at=now(),
                redacted_at=None if response is ended.response else now(),
            )
            session.add(row)
            session.flush()
            session.add_all(AnswerSourceRow(answer_id=ended.id, version_id=each) for each in live)
        return _stored(row)

    def get(self, answer_id: AnswerId, caller: Caller) -> StoredAnswer:
        """One answer. Raises `AnswerNotFoundError`."""
        with self._database.read_scope() as session:
            return _stored(get_row(session, answer_id, caller))

    def delete(self, answer_id: AnswerId, caller: Caller) -> None:
        """Forget an answer. Raises `AnswerNotFoundError`."""
        with self._database.session_scope() as session:
            row = get_row(session, answer_id, caller)
            session.execute(delete(AnswerRow).where(AnswerRow.id == row.id))
        self._database.overwrite_deleted()

    def are_live(self, version_ids: Collection[VersionId]) -> bool:
        """Whether none of these versions has been deleted."""
        with self._database.read_scope() as session:
            found = session.scalars(select(VersionRow.id).where(VersionRow.id.in_(version_ids)))
            return len(found.all()) == len(version_ids)


def get_row(session: Session, answer_id: AnswerId, caller: Caller) -> AnswerRow:
    """The row of an answer that is the caller's to read. Raises `AnswerNotFoundError`."""
    row = session.get(AnswerRow, answer_id)
    if row is None or not caller.may_read(row.asker, _collections_of(session, answer_id)):
        raise answer_not_found(answer_id)
    return row


def answer_not_found(answer_id: AnswerId) -> AnswerNotFoundError:
    """The same words whether it is not there or not theirs."""
    return AnswerNotFoundError(f"there is no answer {answer_id!r}")


def _lock_live(session: Session, version_ids: Collection[VersionId]) -> list[str]:
    """Those of the versions that are there, which nobody can delete until this transaction ends."""
    query = select(VersionRow.id).where(VersionRow.id.in_(version_ids)).order_by(VersionRow.id)
    return list(session.scalars(query.with_for_update(read=True, key_share=True)))


def _collections_of(session: Session, answer_id: AnswerId) -> list[CollectionId]:
    query = (
        select(DocumentRow.collection_id)
        .join(VersionRow, VersionRow.document_id == DocumentRow.id)
        .join(AnswerSourceRow, AnswerSourceRow.version_id == VersionRow.id)
        .where(AnswerSourceRow.answer_id == answer_id)
        .distinct()
    )
    return [CollectionId(each) for each in session.scalars(query)]


def _stored(row: AnswerRow) -> StoredAnswer:
    response: dict[str, Any] = row.response
    return StoredAnswer(
        id=AnswerId(row.id),
        question=row.question,
        collections=None if row.collections is None else tuple(row.collections),
        status=row.status,
        response=response,
        num_events=row.num_events,
        created_at=row.created_at,
        finished_at=row.finished_at,
        redacted_at=row.redacted_at,
    )
