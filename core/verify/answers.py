"""Stored answers against the documents they quote: none holds the words of what was deleted."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.answer_tables import AnswerRow, AnswerSourceRow
from core.database import Database
from core.redaction import redact_stored, sources_of
from core.verify.quoting import Holder, check_quotes
from core.verify.report import Checked

_AT_A_TIME: Final = 200


def check_answers(database: Database, *, repair: bool) -> Checked:
    """Every answer rests on versions that are there, and each of these knows of the answer."""
    return check_quotes(database, "answers", _holders, repair=repair)


def _holders(session: Session) -> Iterator[Holder]:
    """Each answer; few in memory at a time."""
    last = ""
    while True:
        rows = session.execute(
            select(AnswerRow.id, AnswerRow.response)
            .where(AnswerRow.id > last)
            .order_by(AnswerRow.id)
            .limit(_AT_A_TIME)
        ).all()
        if not rows:
            return
        for row in rows:
            known = select(AnswerSourceRow.version_id).where(AnswerSourceRow.answer_id == row.id)
            yield Holder(
                row.id,
                sources_of(row.response),
                set(session.scalars(known)),
                redact=partial(redact_stored, session, [row.id]),
                make_known=partial(_make_known, session, row.id),
            )
        last = rows[-1].id


def _make_known(session: Session, answer_id: str, version_ids: AbstractSet[str]) -> None:
    session.add_all(AnswerSourceRow(answer_id=answer_id, version_id=each) for each in version_ids)
