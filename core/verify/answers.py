"""Stored answers against the documents they quote: none holds the words of what was deleted."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.answer_tables import AnswerRow, AnswerSourceRow
from core.database import Database
from core.redaction import Source, redact_stored, sources_of
from core.tables import VersionRow
from core.verify.report import Checked, Finding

_AT_A_TIME: Final = 200


def check_answers(database: Database, *, repair: bool) -> Checked:
    """Every answer rests on versions that are there, and each of these knows of the answer."""
    with database.read_scope() as session:
        num_answers, findings = _look(session)
    if findings and repair:
        with database.session_scope() as session:
            _, findings = _look(session, repair=True)
    return Checked("answers", num_answers, tuple(findings))


def _look(session: Session, *, repair: bool = False) -> tuple[int, list[Finding]]:
    versions = select(VersionRow.id, VersionRow.document_id, VersionRow.number)
    live: dict[Source, str] = {
        (row.document_id, row.number): row.id for row in session.execute(versions)
    }
    num_answers = 0
    findings: list[Finding] = []
    for answer_id, held in _held(session):
        num_answers += 1
        if gone := held - live.keys():
            named = ", ".join(f"version {number} of {each}" for each, number in sorted(gone))
            findings.append(
                Finding("orphan_quote", answer_id, f"it holds words of {named}", mended=repair)
            )
            if repair:
                redact_stored(session, [answer_id], gone)
        known = select(AnswerSourceRow.version_id).where(AnswerSourceRow.answer_id == answer_id)
        unknown = {live[source] for source in held & live.keys()} - set(session.scalars(known))
        if unknown:
            detail = f"deleting {', '.join(sorted(unknown))} would not redact it"
            findings.append(Finding("missing_source", answer_id, detail, mended=repair))
            if repair:
                session.add_all(
                    AnswerSourceRow(answer_id=answer_id, version_id=each) for each in unknown
                )
    return num_answers, findings


def _held(session: Session) -> Iterator[tuple[str, set[Source]]]:
    """Each answer, and what it holds words of; few in memory at a time."""
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
        yield from ((row.id, sources_of(row.response)) for row in rows)
        last = rows[-1].id
