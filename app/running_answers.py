"""Answers that are being written, as the truth has them. Of any number of processes each hears.

A process enters an answer before it tells anybody of it (`Answers.begin`), and takes it out in the
transaction that keeps it. Whoever takes it out ends it: so that each comes to one end, also where
its process dies, or wakes when the others have given it up.
"""

from collections.abc import Collection
from contextlib import suppress

from sqlalchemy import delete, select, update

from app.answers import EndedAnswer, answer_not_found, keep_in, place_of
from app.errors import ConversationNotFoundError
from core.access import Caller
from core.answer_tables import RunningAnswerRow
from core.database import Database
from core.ids import AnswerId, WorkerId


class RunningAnswers:
    """Every query on answers that have not ended. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def is_running(self, answer_id: AnswerId, caller: Caller) -> bool:
        """Whether some process writes it. Raises `AnswerNotFoundError` where it is not theirs."""
        query = select(RunningAnswerRow.asker).where(RunningAnswerRow.id == answer_id)
        with self._database.read_scope() as session:
            asker = session.scalar(query)
        if asker is not None and not caller.may_read(asker, ()):
            raise answer_not_found(answer_id)
        return asker is not None

    def cancel(self, answer_id: AnswerId, caller: Caller) -> bool:
        """Ask the process that writes it to stop; False where none does. Raises as `is_running`."""
        if not self.is_running(answer_id, caller):
            return False
        mark = update(RunningAnswerRow).where(RunningAnswerRow.id == answer_id)
        with self._database.session_scope() as session:
            session.execute(mark.values(is_cancelled=True))
        return True

    def find_writers(self) -> set[WorkerId]:
        """Every process, alive or not, that has begun an answer which has not ended."""
        with self._database.read_scope() as session:
            return set(
                map(WorkerId, session.scalars(select(RunningAnswerRow.writer_id).distinct()))
            )

    def find_of(self, writer_id: WorkerId) -> dict[AnswerId, bool]:
        """The answers of one process, and of each whether somebody wants it cancelled."""
        query = select(RunningAnswerRow.id, RunningAnswerRow.is_cancelled)
        with self._database.read_scope() as session:
            rows = session.execute(query.where(RunningAnswerRow.writer_id == writer_id)).all()
        return {AnswerId(row.id): row.is_cancelled for row in rows}

    def end_all_of(self, writer_ids: Collection[WorkerId]) -> int:
        """End what these processes left; returns how many there were."""
        query = select(RunningAnswerRow.id).where(RunningAnswerRow.writer_id.in_(writer_ids))
        with self._database.read_scope() as session:
            ids = session.scalars(query).all()
        return sum(self.end(AnswerId(answer_id)) for answer_id in ids)

    def end(self, answer_id: AnswerId) -> bool:
        """Keep an answer that nobody goes on with as one that failed, unless it has ended."""
        taking = (
            delete(RunningAnswerRow)
            .where(RunningAnswerRow.id == answer_id)
            .returning(RunningAnswerRow)
        )
        with self._database.session_scope() as session:
            row = session.scalars(taking).one_or_none()
            if row is None:
                return False
            # with its conversation the answers in it are gone, and this one is
            with suppress(ConversationNotFoundError):
                keep_in(session, _ended(row))
            return True


def _ended(row: RunningAnswerRow) -> EndedAnswer:
    return EndedAnswer(
        id=AnswerId(row.id),
        asker=row.asker,
        question=row.question,
        collections=None if row.collections is None else tuple(row.collections),
        place=place_of(row),
        status="failed",
        response=row.response,
        num_events=row.num_events,
        created_at=row.created_at,
    )
