"""Delete from restored rows what was deleted after the backup was taken. Commits nothing."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.people.accounts import forget_person
from core.deletions import Deletion, Kind
from core.people_tables import ApiKeyRow, PersonRow
from core.tables import CollectionRow, DeletionRow, DocumentRow, VersionRow
from ingestion.purge import next_generation, remove_empty, remove_versions

_ID_BATCH: Final = 500
_ROWS: Final[Mapping[Kind, InstrumentedAttribute[str]]] = {
    "document": DocumentRow.id,
    "version": VersionRow.id,
    "collection": CollectionRow.id,
    "key": ApiKeyRow.id,
    "person": PersonRow.id,
}


def delete_again(session: Session, deletions: Iterable[Deletion]) -> dict[str, int]:
    """Delete whatever of these is there; returns how many of each kind were."""
    found: Counter[str] = Counter()
    for kind, ids in find_returned(session, deletions):
        found[kind] += len(ids)
        _DELETERS[kind](session, ids)
    if found:
        next_generation(session)
    return dict(found)


def find_returned(
    session: Session, deletions: Iterable[Deletion]
) -> Iterator[tuple[Kind, Sequence[str]]]:
    """Those of the deleted things that are there, kind by kind in batches."""
    wanted = list(deletions)
    for kind, column in _ROWS.items():
        ids = sorted(each.subject for each in wanted if each.kind == kind)
        for start in range(0, len(ids), _ID_BATCH):
            query = select(column).where(column.in_(ids[start : start + _ID_BATCH]))
            if found := session.scalars(query).all():
                yield kind, found


def remember(session: Session, deletions: Iterable[Deletion]) -> None:
    """Keep what was deleted, in place of what the backup knew of it."""
    for each in deletions:
        session.merge(
            DeletionRow(
                subject=each.subject,
                kind=each.kind,
                deleted_at=each.deleted_at,
                restored_at=each.restored_at,
            )
        )


def _documents(session: Session, ids: Sequence[str]) -> None:
    _remove(session, VersionRow.document_id.in_(ids))
    session.execute(delete(DocumentRow).where(DocumentRow.id.in_(ids)))


def _versions(session: Session, ids: Sequence[str]) -> None:
    of_ids = select(VersionRow.document_id).where(VersionRow.id.in_(ids))
    documents = set(session.scalars(of_ids))
    _remove(session, VersionRow.id.in_(ids))
    remove_empty(session, documents)


def _collections(session: Session, ids: Sequence[str]) -> None:
    documents = select(DocumentRow.id).where(DocumentRow.collection_id.in_(ids))
    _remove(session, VersionRow.document_id.in_(documents))
    session.execute(delete(DocumentRow).where(DocumentRow.collection_id.in_(ids)))
    session.execute(delete(CollectionRow).where(CollectionRow.id.in_(ids)))


def _keys(session: Session, ids: Sequence[str]) -> None:
    session.execute(delete(ApiKeyRow).where(ApiKeyRow.id.in_(ids)))


def _people(session: Session, ids: Sequence[str]) -> None:
    for row in session.scalars(select(PersonRow).where(PersonRow.id.in_(ids))).all():
        forget_person(session, row)


def _remove(session: Session, scope: ColumnElement[bool]) -> None:
    remove_versions(session, select(VersionRow.id).where(scope))


_DELETERS: Final[Mapping[Kind, Callable[[Session, Sequence[str]], None]]] = {
    "document": _documents,
    "version": _versions,
    "collection": _collections,
    "key": _keys,
    "person": _people,
}
