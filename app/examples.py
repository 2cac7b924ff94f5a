"""Examples for few-shot prompts: answers that people judged good, for somebody to approve.

An approved one holds words of documents. It is deleted in the transaction that deletes one of
them, so that nobody can choose it afterwards; it also goes with its answer, and when the asker
judges that anew.
"""

from dataclasses import dataclass
from typing import Final, Literal, cast

from sqlalchemy import ColumnElement, Select, and_, delete, exists, or_, select
from sqlalchemy.orm import Session

from app.answers import lock_live, stored_of
from app.errors import ExampleNotFoundError, ForbiddenError
from app.example_words import ExampleWords, words_of
from app.feedback import opinion_of
from core.access import Caller
from core.answer_tables import AnswerRow, FeedbackRow
from core.database import Database
from core.ids import AnswerId
from core.prompt_tables import ExampleRow, ExampleSourceRow
from core.redaction import Source
from core.tables import now
from generation.language import Language

ExampleState = Literal["candidate", "approved", "rejected"]
Decision = Literal["approved", "rejected"]

_AT_A_TIME: Final = 200


@dataclass(frozen=True, slots=True)
class ReviewedExample:
    """An example as a reviewer sees it, by the id of its answer. A rejected one has no words."""

    id: AnswerId
    state: ExampleState
    words: ExampleWords | None


class Examples:
    """Every query of those who review examples. Thread-safe.

    They read what others asked, and so must be allowed to see everything: else `ForbiddenError`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def decide(self, answer_id: AnswerId, decision: Decision, caller: Caller) -> ReviewedExample:
        """Approve or reject; what is decided later counts. Raises `ExampleNotFoundError`."""
        _require_reviewer(caller)
        with self._database.session_scope() as session:
            words = _words(session, answer_id)
            live = lock_live(session, words.held)
            if words.held - live.keys():
                raise _not_found(answer_id)
            session.execute(delete(ExampleRow).where(ExampleRow.answer_id == answer_id))
            kept = words if decision == "approved" else None
            session.add(_row(answer_id, decision, kept, caller))
            session.flush()
            if kept is not None:
                session.add_all(
                    ExampleSourceRow(answer_id=answer_id, version_id=each) for each in live.values()
                )
        self._database.overwrite_deleted()
        return ReviewedExample(answer_id, decision, kept)

    def _decided(
        self, state: ExampleState, *, cursor: str | None, limit: int
    ) -> list[ReviewedExample]:
        query = select(ExampleRow).where(
            ExampleRow.state == state, ExampleRow.answer_id > (cursor or "")
        )
        with self._database.read_scope() as session:
            rows = session.scalars(query.order_by(ExampleRow.answer_id).limit(limit)).all()
        return [ReviewedExample(AnswerId(row.answer_id), state, _words_of_row(row)) for row in rows]

    def list(
        self, state: ExampleState, caller: Caller, *, cursor: str | None = None, limit: int = 100
    ) -> list[ReviewedExample]:
        """Those in this state, the oldest first; the id of the last one is the next cursor."""
        _require_reviewer(caller)
        if state != "candidate":
            return self._decided(state, cursor=cursor, limit=limit)
        found: list[ReviewedExample] = []
        last = cursor or ""
        while len(found) < limit:
            with self._database.read_scope() as session:
                rows = session.execute(_candidates(last).limit(_AT_A_TIME)).all()
            for answer, feedback in rows:
                words = words_of(stored_of(answer), opinion_of(feedback))
                if words is not None:
                    found.append(ReviewedExample(AnswerId(answer.id), "candidate", words))
            if len(rows) < _AT_A_TIME:
                break
            last = rows[-1][0].id
        return found[:limit]


def _require_reviewer(caller: Caller) -> None:
    if caller.access.collection_ids is not None:
        raise ForbiddenError("this key opens some collections only, and cannot review examples")


def _not_found(answer_id: AnswerId) -> ExampleNotFoundError:
    return ExampleNotFoundError(
        f"answer {answer_id!r} is no example: it was not judged good or corrected, or a document "
        "that it quotes was deleted"
    )


def _candidates(after: str) -> Select[AnswerRow, FeedbackRow]:
    decided = exists().where(ExampleRow.answer_id == AnswerRow.id)
    return (
        select(AnswerRow, FeedbackRow)
        .join(FeedbackRow, FeedbackRow.answer_id == AnswerRow.id)
        .where(AnswerRow.id > after, AnswerRow.redacted_at.is_(None), _may_teach(), ~decided)
        .order_by(AnswerRow.id)
    )


def _may_teach() -> ColumnElement[bool]:
    is_good = and_(FeedbackRow.rating == "up", AnswerRow.status == "answered")
    return or_(FeedbackRow.correction.is_not(None), is_good)


def _words(session: Session, answer_id: AnswerId) -> ExampleWords:
    query = select(AnswerRow, FeedbackRow).join(FeedbackRow, FeedbackRow.answer_id == AnswerRow.id)
    row = session.execute(query.where(AnswerRow.id == answer_id)).one_or_none()
    words = None if row is None else words_of(stored_of(row[0]), opinion_of(row[1]))
    if words is None:
        raise _not_found(answer_id)
    return words


def _row(
    answer_id: AnswerId, decision: Decision, words: ExampleWords | None, caller: Caller
) -> ExampleRow:
    return ExampleRow(
        answer_id=answer_id,
        state=decision,
        language=words and words.language,
        question=words and words.question,
        passage=words and words.passage,
        source=words and words.source,
        answer=words and words.answer,
        held=[] if words is None else [list(each) for each in sorted(words.held)],
        embedding_model=None,
        vector=None,
        decided_by=caller.name,
        decided_at=now(),
    )


def _words_of_row(row: ExampleRow) -> ExampleWords | None:
    if row.question is None:
        return None
    held: list[Source] = [(document_id, number) for document_id, number in row.held]
    return ExampleWords(
        language=cast(Language, row.language),
        question=row.question,
        passage=row.passage or "",
        source=row.source or "",
        answer=row.answer or "",
        held=frozenset(held),
    )
