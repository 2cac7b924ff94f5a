"""Stored evaluation runs against the documents they quote: none holds the words of what is gone."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Final

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from core.database import Database
from core.evaluation_redaction import CaseKey, case_sources, redact_cases
from core.evaluation_tables import EvaluationCaseRow, EvaluationSourceRow
from core.redaction import Source
from core.verify.quoting import Holder, check_quotes
from core.verify.report import Checked

_AT_A_TIME: Final = 200


def check_evaluations(database: Database, *, repair: bool) -> Checked:
    """Every question rests on versions that are there, and each of these knows of the question."""
    return check_quotes(database, "evaluated questions", _holders, repair=repair)


def _holders(session: Session) -> Iterator[Holder]:
    """Each question of each run; few in memory at a time."""
    run_id, number = EvaluationCaseRow.evaluation_id, EvaluationCaseRow.number
    last: CaseKey = ("", 0)
    while True:
        rows = session.execute(
            select(run_id, number, EvaluationCaseRow.asked, EvaluationCaseRow.result)
            .where(or_(run_id > last[0], and_(run_id == last[0], number > last[1])))
            .order_by(run_id, number)
            .limit(_AT_A_TIME)
        ).all()
        if not rows:
            return
        for row in rows:
            key: CaseKey = (row.evaluation_id, row.number)
            yield Holder(
                f"{key[0]}, question {key[1]}",
                case_sources(row.asked, row.result),
                _known(session, key),
                redact=partial(_redact, session, key),
                make_known=partial(_make_known, session, key),
            )
        last = (rows[-1].evaluation_id, rows[-1].number)


def _known(session: Session, key: CaseKey) -> set[str]:
    query = select(EvaluationSourceRow.version_id).where(
        EvaluationSourceRow.evaluation_id == key[0], EvaluationSourceRow.number == key[1]
    )
    return set(session.scalars(query))


def _redact(session: Session, key: CaseKey, _gone: AbstractSet[Source]) -> None:
    redact_cases(session, [key])


def _make_known(session: Session, key: CaseKey, version_ids: AbstractSet[str]) -> None:
    session.add_all(
        EvaluationSourceRow(evaluation_id=key[0], number=key[1], version_id=each)
        for each in version_ids
    )
