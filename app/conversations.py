"""Conversations: questions that go on from one another. Keeps no words but those of answers.

Answers form a tree: each goes on from one before it, or from none. Asking in place of an answer
makes a branch beside it, and nothing is lost; what is shown is the branch of the newest answer.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.answers import (
    Place,
    StoredAnswer,
    answer_not_found,
    collections_of,
    conversation_not_found,
    stored_of,
)
from core.access import Caller
from core.answer_tables import AnswerRow, ConversationRow
from core.database import Database
from core.ids import AnswerId, ConversationId, new_id
from core.tables import now


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation without its answers. `title` is None until the first question."""

    id: ConversationId
    title: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ShownTurn:
    """An answer of the branch that is shown. `alternatives` are all that go on from where it does,
    itself included. `is_hidden`: it quotes what the caller may no longer see.
    """

    answer: StoredAnswer
    alternatives: tuple[AnswerId, ...]
    is_hidden: bool


class Conversations:
    """Every query on conversations. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, caller: Caller, *, title: str | None) -> Conversation:
        """Begin one."""
        moment = now()
        row = ConversationRow(
            id=new_id("cnv"),
            asker=caller.name,
            title=title,
            created_at=moment,
            updated_at=moment,
        )
        with self._database.session_scope() as session:
            session.add(row)
        return _conversation(row)

    def get(self, conversation_id: ConversationId, caller: Caller) -> Conversation:
        """One. Raises `ConversationNotFoundError`."""
        with self._database.read_scope() as session:
            return _conversation(_row(session, conversation_id, caller))

    def rename(
        self, conversation_id: ConversationId, caller: Caller, *, title: str
    ) -> Conversation:
        """Give it another title. Raises `ConversationNotFoundError`."""
        with self._database.session_scope() as session:
            row = _row(session, conversation_id, caller)
            row.title = title
        return _conversation(row)

    def delete(self, conversation_id: ConversationId, caller: Caller) -> None:
        """Forget it, with all its answers. Raises `ConversationNotFoundError`."""
        with self._database.session_scope() as session:
            row = _row(session, conversation_id, caller)
            session.execute(delete(ConversationRow).where(ConversationRow.id == row.id))
        self._database.overwrite_deleted()

    def turns(
        self, conversation_id: ConversationId, caller: Caller, *, last: AnswerId | None = None
    ) -> list[ShownTurn]:
        """The branch that ends with the answer `last`, by default the newest; oldest first.

        Raises `ConversationNotFoundError`, and `AnswerNotFoundError` for a `last` from elsewhere.
        """
        with self._database.read_scope() as session:
            _row(session, conversation_id, caller)
            parents = _parents(session, conversation_id)
            if last is not None and last not in parents:
                raise answer_not_found(last)
            return _shown(session, _branch(parents, last), parents, caller)

    def place(
        self,
        conversation_id: ConversationId,
        caller: Caller,
        *,
        in_place_of: AnswerId | None = None,
    ) -> Place:
        """Where the next answer belongs: after the newest, or beside another one.

        Raises as `turns` does.
        """
        with self._database.read_scope() as session:
            _row(session, conversation_id, caller)
            parents = _parents(session, conversation_id)
        if in_place_of is None:
            return Place(conversation_id, max(parents, default=None))
        if in_place_of not in parents:
            raise answer_not_found(in_place_of)
        return Place(conversation_id, parents[in_place_of])

    def list(
        self, caller: Caller, *, cursor: str | None = None, limit: int = 100
    ) -> list[Conversation]:
        """The caller's, the newest first; the id of the last one is the next cursor."""
        query = select(ConversationRow).order_by(ConversationRow.id.desc()).limit(limit)
        if not caller.is_owner:
            query = query.where(ConversationRow.asker == caller.name)
        if cursor is not None:
            query = query.where(ConversationRow.id < cursor)
        with self._database.read_scope() as session:
            return [_conversation(row) for row in session.scalars(query)]


def _row(session: Session, conversation_id: ConversationId, caller: Caller) -> ConversationRow:
    row = session.get(ConversationRow, conversation_id)
    if row is None or not caller.may_read(row.asker, ()):
        raise conversation_not_found(conversation_id)
    return row


def _parents(session: Session, conversation_id: ConversationId) -> dict[AnswerId, AnswerId | None]:
    """What each answer goes on from. Ids sort by time."""
    query = select(AnswerRow.id, AnswerRow.parent_id).where(
        AnswerRow.conversation_id == conversation_id
    )
    return {
        AnswerId(row.id): None if row.parent_id is None else AnswerId(row.parent_id)
        for row in session.execute(query)
    }


def _branch(parents: dict[AnswerId, AnswerId | None], last: AnswerId | None) -> list[AnswerId]:
    branch: list[AnswerId] = []
    each = last or max(parents, default=None)
    while each is not None and each in parents:
        branch.append(each)
        each = parents[each]
    return branch[::-1]


def _shown(
    session: Session,
    branch: Sequence[AnswerId],
    parents: dict[AnswerId, AnswerId | None],
    caller: Caller,
) -> list[ShownTurn]:
    rows = {
        row.id: row for row in session.scalars(select(AnswerRow).where(AnswerRow.id.in_(branch)))
    }
    beside: defaultdict[AnswerId | None, list[AnswerId]] = defaultdict(list)
    for each, parent_id in sorted(parents.items()):
        beside[parent_id].append(each)
    collections = collections_of(session, branch)
    return [
        ShownTurn(
            stored_of(rows[each]),
            tuple(beside[parents[each]]),
            is_hidden=not caller.may_read(rows[each].asker, collections[each]),
        )
        for each in branch
    ]


def _conversation(row: ConversationRow) -> Conversation:
    return Conversation(ConversationId(row.id), row.title, row.created_at, row.updated_at)
