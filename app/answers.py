"""Answers that came to their end: keep, show, delete. One place decides whose they are to read."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from textwrap import shorten
from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.errors import AnswerNotFoundError, ConversationNotFoundError
from app.idempotency import OnceKey, claim_in, release_in
from core.access import Caller
from core.answer_tables import AnswerRow, AnswerSourceRow, ConversationRow, RunningAnswerRow
from core.database import Database
from core.errors import CimientoError
from core.ids import AnswerId, CollectionId, ConversationId, VersionId, WorkerId
from core.redaction import Response, Source, redact, sources_of
from core.tables import DocumentRow, VersionRow, now

_MAX_TITLE_CHARS: Final = 80


class AnswerInterruptedError(CimientoError):
    """The process that wrote the answer died, or stood still until others gave it up."""

    code = "answer_interrupted"
    retryable = True


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a conversation an answer belongs: after `parent_id`; None for the beginning."""

    conversation_id: ConversationId
    parent_id: AnswerId | None


@dataclass(frozen=True, slots=True)
class EndedAnswer:
    """An answer to be kept."""

    id: AnswerId
    asker: str
    question: str
    collections: tuple[str, ...] | None
    place: Place | None
    status: str
    response: Response
    num_events: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer as it is kept. `response` is the whole of it, in the shape of the API."""

    id: AnswerId
    asker: str
    question: str
    collections: tuple[str, ...] | None
    place: Place | None
    status: str
    response: Response
    num_events: int
    created_at: datetime
    finished_at: datetime
    redacted_at: datetime | None
    shared_at: datetime | None


class Answers:
    """Every query on stored answers. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(
        self, would_be: EndedAnswer, writer_id: WorkerId | None, key: OnceKey | None = None
    ) -> None:
        """Enter an answer that a process writes; `would_be` is its end where the process dies.

        A process that is not entered itself enters none. A key stands for the answer from now on;
        raises `KeyTakenError`.
        """
        with self._database.session_scope() as session:
            claim_in(session, key, would_be.id)
            if writer_id is not None:
                session.add(_running_row(would_be, writer_id))

    def withdraw(self, answer_id: AnswerId) -> None:
        """Forget an answer that was begun, and of which nobody was told before it failed."""
        entered = delete(RunningAnswerRow).where(RunningAnswerRow.id == answer_id)
        with self._database.session_scope() as session:
            session.execute(entered)
            release_in(session, answer_id)

    def keep(self, ended: EndedAnswer, *, was_begun: bool = False) -> StoredAnswer:
        """Store an answer, in one transaction, without the words of what was deleted meanwhile.

        What comes back is what was stored: a caller is shown that, and nothing else. Raises
        `ConversationNotFoundError` where its conversation was deleted meanwhile, and
        `AnswerInterruptedError` where others have ended what was begun.
        """
        entered = delete(RunningAnswerRow).where(RunningAnswerRow.id == ended.id)
        with self._database.session_scope() as session:
            taken = session.scalar(entered.returning(RunningAnswerRow.id)) if was_begun else None
            if was_begun and taken is None:
                raise AnswerInterruptedError(
                    "the process that wrote this answer stood still for so long that it was given "
                    "up; ask again"
                )
            return stored_of(keep_in(session, ended))

    def get(self, answer_id: AnswerId, caller: Caller, *, or_shared: bool = False) -> StoredAnswer:
        """One answer of the caller's; with `or_shared` one of somebody else who shares it, too.

        Raises `AnswerNotFoundError`.
        """
        with self._database.read_scope() as session:
            return stored_of(get_row(session, answer_id, caller, or_shared=or_shared))

    def share(self, answer_id: AnswerId, caller: Caller, *, is_on: bool = True) -> None:
        """Let everybody read it who may see every collection that it quotes from, or end that.

        Raises `AnswerNotFoundError`.
        """
        with self._database.session_scope() as session:
            row = get_row(session, answer_id, caller)
            row.shared_at = (row.shared_at or now()) if is_on else None

    def delete(self, answer_id: AnswerId, caller: Caller) -> None:
        """Forget an answer, with its question and the title that this gave.

        Raises `AnswerNotFoundError`.
        """
        with self._database.session_scope() as session:
            row = get_row(session, answer_id, caller)
            # what went on from it goes on from what it went on from
            following = update(AnswerRow).where(AnswerRow.parent_id == row.id)
            session.execute(following.values(parent_id=row.parent_id))
            of_it = update(ConversationRow).where(
                ConversationRow.id == row.conversation_id,
                ConversationRow.title == _title(row.question),
            )
            session.execute(of_it.values(title=None))
            release_in(session, row.id)
            session.execute(delete(AnswerRow).where(AnswerRow.id == row.id))
        self._database.overwrite_deleted()

    def are_live(self, version_ids: Collection[VersionId]) -> bool:
        """Whether none of these versions has been deleted."""
        with self._database.read_scope() as session:
            found = session.scalars(select(VersionRow.id).where(VersionRow.id.in_(version_ids)))
            return len(found.all()) == len(version_ids)


def _running_row(would_be: EndedAnswer, writer_id: WorkerId) -> RunningAnswerRow:
    place = would_be.place
    return RunningAnswerRow(
        id=would_be.id,
        writer_id=writer_id,
        asker=would_be.asker,
        question=would_be.question,
        conversation_id=place and place.conversation_id,
        parent_id=place and place.parent_id,
        collections=None if would_be.collections is None else list(would_be.collections),
        response=would_be.response,
        num_events=would_be.num_events,
        created_at=would_be.created_at,
    )


def keep_in(session: Session, ended: EndedAnswer) -> AnswerRow:
    """Store an answer in the caller's transaction. Raises `ConversationNotFoundError`."""
    if ended.place is not None:
        _go_on(session, ended.place.conversation_id, ended.question)
    held = sources_of(ended.response)
    live = lock_live(session, held)
    response = redact(ended.response, held - live.keys())
    row = AnswerRow(
        id=ended.id,
        asker=ended.asker,
        question=ended.question,
        conversation_id=ended.place and ended.place.conversation_id,
        parent_id=ended.place and ended.place.parent_id,
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
    session.add_all(AnswerSourceRow(answer_id=ended.id, version_id=each) for each in live.values())
    return row


def get_row(
    session: Session, answer_id: AnswerId, caller: Caller, *, or_shared: bool = False
) -> AnswerRow:
    """The row of an answer that is the caller's to read. Raises `AnswerNotFoundError`."""
    row = session.get(AnswerRow, answer_id)
    if row is None:
        raise answer_not_found(answer_id)
    # what is shared is read as if it were theirs: where they may see all that it quotes from
    asker = caller.name if or_shared and row.shared_at is not None else row.asker
    if not caller.may_read(asker, collections_of(session, [answer_id])[answer_id]):
        raise answer_not_found(answer_id)
    return row


def answer_not_found(answer_id: AnswerId) -> AnswerNotFoundError:
    """The same words whether it is not there or not theirs."""
    return AnswerNotFoundError(f"there is no answer {answer_id!r}")


def _go_on(session: Session, conversation_id: ConversationId, question: str) -> None:
    """Note that the conversation goes on; its first question becomes its title."""
    query = select(ConversationRow).where(ConversationRow.id == conversation_id)
    row = session.scalars(query.with_for_update()).one_or_none()
    if row is None:
        raise conversation_not_found(conversation_id)
    row.updated_at = now()
    if row.title is None:
        row.title = _title(question)


def _title(question: str) -> str:
    # a word longer than a title cannot be shortened at a space
    short = shorten(question, _MAX_TITLE_CHARS, placeholder="…")
    return short if short != "…" else f"{question.strip()[: _MAX_TITLE_CHARS - 1]}…"


def conversation_not_found(conversation_id: ConversationId) -> ConversationNotFoundError:
    """The same words whether it is not there or not theirs."""
    return ConversationNotFoundError(f"there is no conversation {conversation_id!r}")


def lock_live(session: Session, sources: Collection[Source]) -> dict[Source, str]:
    """The versions among these that are there; nobody deletes them before this transaction ends."""
    query = (
        select(VersionRow.id, VersionRow.document_id, VersionRow.number)
        .where(VersionRow.document_id.in_({document_id for document_id, _ in sources}))
        .order_by(VersionRow.id)
    )
    rows = session.execute(query.with_for_update(read=True, key_share=True))
    found = {(row.document_id, row.number): row.id for row in rows}
    return {source: found[source] for source in sources if source in found}


def collections_of(session: Session, ids: Collection[str]) -> defaultdict[str, set[CollectionId]]:
    """From which collections each answer holds words."""
    query = (
        select(AnswerSourceRow.answer_id, DocumentRow.collection_id)
        .join(VersionRow, VersionRow.id == AnswerSourceRow.version_id)
        .join(DocumentRow, DocumentRow.id == VersionRow.document_id)
        .where(AnswerSourceRow.answer_id.in_(ids))
    )
    found: defaultdict[str, set[CollectionId]] = defaultdict(set)
    for answer_id, collection_id in session.execute(query):
        found[answer_id].add(CollectionId(collection_id))
    return found


def place_of(row: AnswerRow | RunningAnswerRow) -> Place | None:
    """Where the answer belongs; None outside conversations."""
    if row.conversation_id is None:
        return None
    parent_id = None if row.parent_id is None else AnswerId(row.parent_id)
    return Place(ConversationId(row.conversation_id), parent_id)


def stored_of(row: AnswerRow) -> StoredAnswer:
    """The row as plain data."""
    return StoredAnswer(
        id=AnswerId(row.id),
        asker=row.asker,
        question=row.question,
        collections=None if row.collections is None else tuple(row.collections),
        place=place_of(row),
        status=row.status,
        response=row.response,
        num_events=row.num_events,
        created_at=row.created_at,
        finished_at=row.finished_at,
        redacted_at=row.redacted_at,
        shared_at=row.shared_at,
    )
