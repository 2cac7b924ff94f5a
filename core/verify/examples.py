"""Approved examples against the documents they quote: none outlives the words that it holds."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from functools import partial

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core.database import Database
from core.prompt_tables import ExampleRow, ExampleSourceRow
from core.redaction import Source
from core.verify.quoting import Holder, check_quotes
from core.verify.report import Checked


def check_examples(database: Database, *, repair: bool) -> Checked:
    """Every example rests on versions that are there, and each of these knows of the example."""
    return check_quotes(database, "examples", _holders, repair=repair)


def _holders(session: Session) -> Iterator[Holder]:
    for row in session.execute(select(ExampleRow.answer_id, ExampleRow.held)).all():
        known = select(ExampleSourceRow.version_id).where(
            ExampleSourceRow.answer_id == row.answer_id
        )
        yield Holder(
            f"example {row.answer_id}",
            {(document_id, number) for document_id, number in row.held},
            set(session.scalars(known)),
            redact=partial(_delete, session, row.answer_id),
            make_known=partial(_make_known, session, row.answer_id),
        )


def _delete(session: Session, answer_id: str, _gone: AbstractSet[Source]) -> None:
    session.execute(delete(ExampleRow).where(ExampleRow.answer_id == answer_id))


def _make_known(session: Session, answer_id: str, version_ids: AbstractSet[str]) -> None:
    is_there = select(ExampleRow.answer_id).where(ExampleRow.answer_id == answer_id)
    if session.scalar(is_there) is not None:  # else one of its other documents was gone
        session.add_all(
            ExampleSourceRow(answer_id=answer_id, version_id=each) for each in version_ids
        )
