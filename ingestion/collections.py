"""Collections: names, and who may see them. Refuses bad names and the deletion of `default`."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.orm import Session

from core.access import Access
from core.deletions import note_deletion
from core.errors import CollectionNotFoundError
from core.events import tell_of_collection
from core.ids import CollectionId, new_id
from core.tables import CollectionRow, DocumentRow, VersionRow
from ingestion.errors import (
    BadCollectionNameError,
    BadLanguageError,
    CollectionExistsError,
    DefaultCollectionError,
)
from ingestion.purge import Purged, clear_files, next_generation, remove_versions
from ingestion.store import Store

DEFAULT_COLLECTION: Final = "default"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z]{2,4})?")

CollectionSetting = bool | int | list[str]
CollectionSettings = Mapping[str, CollectionSetting]
"""Names and values; what is not there is as the service has it."""

NO_SETTINGS: Final[CollectionSettings] = MappingProxyType({})

# Built once, for it is asked before searches.
_NAMED: Final = select(CollectionRow.name, CollectionRow.id).where(
    CollectionRow.name.in_(bindparam("names", expanding=True))
)


@dataclass(frozen=True, slots=True)
class Collection:
    """A named set of documents; the unit of access.

    `settings` say how it is answered from, where that is not as the service does it (samples,
    likelihood), and what people are offered to ask first.
    """

    id: CollectionId
    name: str
    description: str
    language: str | None
    settings: CollectionSettings
    num_documents: int
    created_at: datetime


Check = Callable[[Collection], None]
"""Looks at a collection that is about to be changed, and raises where it must not be."""


class Collections:
    """Every query on collections."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list(self, access: Access) -> list[Collection]:
        """The collections that the caller may see, by name."""
        with self._store.database.read_scope() as session:
            rows = session.scalars(select(CollectionRow).order_by(CollectionRow.name)).all()
            counts = _count_documents(session)
        return [
            _collection(row, counts.get(row.id, 0))
            for row in rows
            if access.allows(CollectionId(row.id))
        ]

    def get(self, name: str, access: Access) -> Collection:
        """One collection. Raises `CollectionNotFoundError`."""
        with self._store.database.read_scope() as session:
            row = _row(session, name, access)
            return _collection(row, _count_documents(session).get(row.id, 0))

    def ids_of(self, names: Sequence[str], access: Access) -> Sequence[CollectionId]:
        """The ids of collections, in the order of their names. Raises `CollectionNotFoundError`."""
        rows = self._store.database.read_rows(_NAMED, {"names": list(names)})
        found = {name: CollectionId(id_) for name, id_ in rows if access.allows(CollectionId(id_))}
        for name in names:
            if name not in found:
                raise _not_found(name)
        return [found[name] for name in names]

    def create(
        self,
        name: str,
        *,
        description: str = "",
        language: str | None = None,
        settings: CollectionSettings = NO_SETTINGS,
    ) -> Collection:
        """Make a collection.

        Raises `BadCollectionNameError`, `BadLanguageError`, `CollectionExistsError`.
        """
        if not can_name_collection(name):
            raise BadCollectionNameError(
                f"{name!r} cannot name a collection: use 1 to 63 lower-case letters, digits, "
                "'-' and '_', beginning with a letter or digit"
            )
        row = CollectionRow(
            id=new_id("col"),
            name=name,
            description=description,
            language=_language(language),
            settings=dict(settings),
        )
        with self._store.database.session_scope() as session:
            if session.scalar(select(CollectionRow.id).where(CollectionRow.name == name)):
                raise CollectionExistsError(f"there is a collection {name!r} already")
            session.add(row)
        return _collection(row, 0)

    def update(
        self,
        name: str,
        access: Access,
        *,
        description: str | None,
        language: str | None,
        settings: Mapping[str, CollectionSetting | None] = NO_SETTINGS,
        check: Check | None = None,
    ) -> Collection:
        """Change what is not None; of `settings` those that are given, None for the service's own.

        Raises `CollectionNotFoundError`, `BadLanguageError`, and what `check` raises.
        """
        with self._store.database.session_scope() as session:
            row = _checked_row(session, name, access, check)
            if description is not None:
                row.description = description
            if language is not None:
                row.language = _language(language)
            if settings:
                changed = {**row.settings, **settings}
                row.settings = {key: value for key, value in changed.items() if value is not None}
        return self.get(name, access)

    def common_settings(self, access: Access) -> Mapping[str, bool | int]:
        """What all the collections in reach set alike, of what answers are made by."""
        with self._store.database.read_scope() as session:
            rows = session.execute(select(CollectionRow.id, CollectionRow.settings)).all()
        each = [row.settings for row in rows if access.allows(CollectionId(row.id))]
        first, *others = each or [{}]
        return {
            key: value
            for key, value in first.items()
            if isinstance(value, int) and all(other.get(key) == value for other in others)
        }

    def delete(self, name: str, access: Access, *, check: Check | None = None) -> Purged:
        """Delete a collection and its documents, in one transaction.

        Raises `CollectionNotFoundError`, `DefaultCollectionError`, and what `check` raises.
        """
        with self._store.database.session_scope() as session:
            row = _checked_row(session, name, access, check)
            if name == DEFAULT_COLLECTION:
                raise DefaultCollectionError("the collection 'default' always exists")
            documents = select(DocumentRow.id).where(DocumentRow.collection_id == row.id)
            versions = select(VersionRow.id).where(VersionRow.document_id.in_(documents))
            removed = remove_versions(session, versions)
            session.execute(delete(DocumentRow).where(DocumentRow.collection_id == row.id))
            tell_of_collection(session, "collection.deleted", row.id)
            session.execute(delete(CollectionRow).where(CollectionRow.id == row.id))
            note_deletion(session, "collection", row.id)
            next_generation(session)
        return clear_files(self._store, removed)


def can_name_collection(name: str) -> bool:
    """Whether a collection could be called so."""
    return _NAME.fullmatch(name) is not None


def _checked_row(session: Session, name: str, access: Access, check: Check | None) -> CollectionRow:
    """The row, which nobody changes before this transaction ends where `check` looked at it."""
    row = _row(session, name, access)
    if check is not None:
        session.refresh(row, with_for_update=True)
        check(_collection(row, _count_documents(session).get(row.id, 0)))
    return row


def _row(session: Session, name: str, access: Access) -> CollectionRow:
    row = session.scalars(select(CollectionRow).where(CollectionRow.name == name)).one_or_none()
    if row is None or not access.allows(CollectionId(row.id)):
        raise _not_found(name)
    return row


def _not_found(name: str) -> CollectionNotFoundError:
    return CollectionNotFoundError(f"there is no collection {name!r}")


def _count_documents(session: Session) -> dict[str, int]:
    counts = select(DocumentRow.collection_id, func.count()).group_by(DocumentRow.collection_id)
    return {row[0]: row[1] for row in session.execute(counts)}


def _language(language: str | None) -> str | None:
    if language is not None and not _LANGUAGE.fullmatch(language):
        raise BadLanguageError(f"{language!r} is no language code such as 'es' or 'pt-BR'")
    return language


def _collection(row: CollectionRow, num_documents: int) -> Collection:
    return Collection(
        id=CollectionId(row.id),
        name=row.name,
        description=row.description,
        language=row.language,
        settings=row.settings,
        num_documents=num_documents,
        created_at=row.created_at,
    )
