"""What is stored and holds words of documents, against the documents that are there."""

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.database import Database
from core.redaction import Source
from core.tables import VersionRow
from core.verify.report import Checked, Finding


@dataclass(frozen=True, slots=True)
class Holder:
    """Something that is stored, what it `held` words of, and ids of versions that know of it.

    `redact` takes out the words of what is gone; `make_known` tells versions of it.
    """

    subject: str
    held: AbstractSet[Source]
    known: AbstractSet[str]
    redact: Callable[[AbstractSet[Source]], object]
    make_known: Callable[[AbstractSet[str]], object]


def check_quotes(
    database: Database, name: str, find: Callable[[Session], Iterable[Holder]], *, repair: bool
) -> Checked:
    """Look at all that `find` finds, and mend what quotes too much or is not known of."""
    with database.read_scope() as session:
        num_holders, findings = _look(session, find(session), repair=False)
    if findings and repair:
        with database.session_scope() as session:
            _, findings = _look(session, find(session), repair=True)
    return Checked(name, num_holders, tuple(findings))


def _look(
    session: Session, holders: Iterable[Holder], *, repair: bool
) -> tuple[int, list[Finding]]:
    versions = select(VersionRow.id, VersionRow.document_id, VersionRow.number)
    live: dict[Source, str] = {
        (row.document_id, row.number): row.id for row in session.execute(versions)
    }
    findings: list[Finding] = []
    num_holders = 0
    for holder in holders:
        num_holders += 1
        if gone := holder.held - live.keys():
            named = ", ".join(f"version {number} of {each}" for each, number in sorted(gone))
            detail = f"it holds words of {named}"
            findings.append(Finding("orphan_quote", holder.subject, detail, mended=repair))
            if repair:
                holder.redact(gone)
        unknown = {live[source] for source in holder.held & live.keys()} - holder.known
        if unknown:
            detail = f"deleting {', '.join(sorted(unknown))} would not redact it"
            findings.append(Finding("missing_source", holder.subject, detail, mended=repair))
            if repair:
                holder.make_known(unknown)
    return num_holders, findings
