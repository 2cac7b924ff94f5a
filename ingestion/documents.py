"""Documents: accept, show, delete. Every read takes an access; nothing here parses or embeds."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVarTuple

from sqlalchemy import Select, delete, exists, select
from sqlalchemy.orm import Session, aliased, undefer

from core.access import Access
from core.blobs import PendingBlob
from core.deletions import note_deletion
from core.errors import DocumentNotFoundError
from core.events import tell_of_collection
from core.ids import CollectionId, DocumentId, VersionId
from core.label_tables import LabelRow
from core.tables import CollectionRow, DocumentRow, VersionRow, VersionTextRow
from core.types import Box
from ingestion.accepting import accept
from ingestion.boxes import NO_LINES, quote_boxes
from ingestion.labels import Label, labels_by_document
from ingestion.line_boxes import LineBoxes
from ingestion.purge import Purged, clear_files, lock_collection, next_generation, remove_versions
from ingestion.store import Store
from ingestion.uploads import Accepted, Upload

_Columns = TypeVarTuple("_Columns")
_NAMES_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Version:
    """One upload of a document. `parent_id` is the document that it was attached to, or None."""

    id: VersionId
    number: int
    state: str
    sha256: str
    num_bytes: int
    media_type: str
    metadata: dict[str, object]
    language: str | None
    num_pages: int | None
    num_chunks: int | None
    created_at: datetime
    published_at: datetime | None
    parent_id: DocumentId | None


@dataclass(frozen=True, slots=True)
class Document:
    """A document. `version` is the searchable one, or else the newest; `newest` is the newest."""

    id: DocumentId
    name: str
    collection_id: CollectionId
    collection: str
    # The synchronised folder that it came from.
    origin: str | None
    created_at: datetime
    version: Version
    newest: Version
    labels: tuple[Label, ...]

    @property
    def parent_id(self) -> DocumentId | None:
        """The document that it was attached to, or None."""
        return self.newest.parent_id


@dataclass(frozen=True, slots=True)
class DocumentText:
    """The text of a version; `page_starts` is empty where the format has no pages."""

    version_id: VersionId
    number: int
    text: str
    page_starts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Content:
    """The original bytes of a version; `read` gives those from a place to before another."""

    read: Callable[[int, int], Iterator[bytes]]
    name: str
    version: Version

    def whole(self) -> bytes:
        """All of it, in memory. Raises as `BlobStore.read` does."""
        return b"".join(self.read(0, self.version.num_bytes))


@dataclass(frozen=True, slots=True)
class DocumentFilter:
    """Which documents to list; None does not filter. `state` is that of the newest version."""

    collection: str | None = None
    state: str | None = None
    name_contains: str | None = None
    # a name and a label under it
    label: tuple[str, str] | None = None


class Documents:
    """Every query on documents and their versions."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lines = LineBoxes(store.database)

    def accept(self, upload: Upload, blob: PendingBlob) -> Accepted:
        """Make a received file a queued version; from the return on it is safe from any crash.

        The same bytes as the current version under the same name change nothing. The caller
        enqueues `job_id` at `attempt`. Raises `CollectionNotFoundError`.
        """
        return accept(self._store, upload, blob)

    def get(self, document_id: DocumentId, access: Access) -> Document:
        """One document. Raises `DocumentNotFoundError`."""
        with self._store.database.read_scope() as session:
            row, name = _get(session, document_id, access)
            (document,) = _documents(session, [(row, name)])
            return document

    def versions(self, document_id: DocumentId, access: Access) -> list[Version]:
        """Every version there is, newest first. Raises `DocumentNotFoundError`."""
        with self._store.database.read_scope() as session:
            _get(session, document_id, access)
            return _versions_of(session, [document_id])[document_id]

    def text(self, document_id: DocumentId, access: Access, *, number: int | None) -> DocumentText:
        """The text that offsets point into; by default of the version shown.

        Raises `DocumentNotFoundError`, also for a version that has no text yet.
        """
        version = self._version(document_id, access, number)
        with self._store.database.read_scope() as session:
            row = session.get(VersionTextRow, version.id, options=[undefer(VersionTextRow.text)])
        if row is None:
            raise DocumentNotFoundError(
                f"version {version.number} of {document_id!r} has no text: it is {version.state}"
            )
        return DocumentText(version.id, version.number, row.text, tuple(row.page_starts))

    def content(self, document_id: DocumentId, access: Access, *, number: int | None) -> Content:
        """The original file. Raises `DocumentNotFoundError`; reading it, as `BlobStore.read`."""
        version = self._version(document_id, access, number)
        name = self.get(document_id, access).name
        sha256, blobs = version.sha256, self._store.blobs

        def read(start: int, end: int) -> Iterator[bytes]:
            if (start, end) == (0, version.num_bytes):
                return blobs.read(sha256)
            return blobs.read(sha256, start=start, end=end)

        return Content(read, name, version)

    def boxes(self, spans: Sequence[tuple[VersionId, int, int]], access: Access) -> list[list[Box]]:
        """The rectangles of each quote `(version, start, end)`; none where there is no geometry."""
        lines = self._lines.find({version for version, _, _ in spans}, access)
        return [
            quote_boxes(lines.get(version, NO_LINES), start, end) for version, start, end in spans
        ]

    def delete(
        self, document_id: DocumentId, access: Access, *, origin: str | None = None
    ) -> Purged:
        """Delete a document with all its versions: gone from every search at the commit.

        With `origin`, only while it still comes from there. Work on it that is under way ends by
        itself. Raises `DocumentNotFoundError`.
        """
        with self._store.database.session_scope() as session:
            document, _ = _get(session, document_id, access)
            if origin is not None and document.origin != origin:
                raise DocumentNotFoundError(f"document {document_id!r} is not from {origin}")
            lock_collection(session, CollectionId(document.collection_id))
            scope = select(VersionRow.id).where(VersionRow.document_id == document_id)
            removed = remove_versions(session, scope)
            _delete(session, document)
            next_generation(session)
        return clear_files(self._store, removed)

    def delete_version(self, document_id: DocumentId, number: int, access: Access) -> Purged:
        """Delete one version, and with the last one its document.

        Where it was the searchable one, nothing takes its place: older versions stay history.
        Raises `DocumentNotFoundError`.
        """
        with self._store.database.session_scope() as session:
            document, _ = _get(session, document_id, access)
            lock_collection(session, CollectionId(document.collection_id))
            of_document = select(VersionRow.id).where(VersionRow.document_id == document_id)
            scope = of_document.where(VersionRow.number == number)
            removed = remove_versions(session, scope)
            if not removed.version_ids:
                raise _no_version(document_id, number)
            # what was attached to it comes before it
            note_deletion(session, "version", removed.version_ids[-1])
            if session.scalar(of_document.limit(1)) is None:
                _delete(session, document)
            next_generation(session)
        return clear_files(self._store, removed)

    def _version(self, document_id: DocumentId, access: Access, number: int | None) -> Version:
        document = self.get(document_id, access)
        if number is None:
            return document.version
        for version in self.versions(document_id, access):
            if version.number == number:
                return version
        raise _no_version(document_id, number)

    def list_named(
        self, collection_id: CollectionId, names: Sequence[str], access: Access
    ) -> list[Document]:
        """Those of the documents that a collection has under these names, in no order."""
        query = _select_documents(access).where(DocumentRow.collection_id == collection_id)
        found: list[Document] = []
        for start in range(0, len(names), _NAMES_AT_ONCE):
            some = names[start : start + _NAMES_AT_ONCE]
            with self._store.database.read_scope() as session:
                rows = session.execute(query.where(DocumentRow.name.in_(some))).all()
                found += _documents(session, ((row, name) for row, name in rows))
        return found

    def list(
        self,
        access: Access,
        *,
        where: DocumentFilter | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> list[Document]:
        """Documents, newest first; the id of the last one is the next cursor."""
        query = _filter(_select_documents(access), where or DocumentFilter())
        if cursor is not None:
            query = query.where(DocumentRow.id < cursor)
        with self._store.database.read_scope() as session:
            rows = session.execute(query.order_by(DocumentRow.id.desc()).limit(limit)).all()
            return _documents(session, ((row, name) for row, name in rows))


def _no_version(document_id: DocumentId, number: int) -> DocumentNotFoundError:
    return DocumentNotFoundError(f"document {document_id!r} has no version {number}")


def _visible(query: Select[*_Columns], access: Access) -> Select[*_Columns]:
    if access.collection_ids is None:
        return query
    return query.where(DocumentRow.collection_id.in_(access.collection_ids))


def _select_documents(access: Access) -> Select[DocumentRow, str]:
    query = select(DocumentRow, CollectionRow.name).join(
        CollectionRow, CollectionRow.id == DocumentRow.collection_id
    )
    return _visible(query, access)


def _filter(query: Select[DocumentRow, str], where: DocumentFilter) -> Select[DocumentRow, str]:
    if where.collection is not None:
        query = query.where(CollectionRow.name == where.collection)
    if where.name_contains:
        query = query.where(DocumentRow.name.icontains(where.name_contains, autoescape=True))
    if where.label is not None:
        name, label = where.label
        query = query.join(LabelRow, LabelRow.document_id == DocumentRow.id).where(
            LabelRow.name == name, LabelRow.label == label
        )
    if where.state is not None:
        newer = aliased(VersionRow)
        is_newest = ~exists().where(
            newer.document_id == VersionRow.document_id, newer.number > VersionRow.number
        )
        query = query.join(VersionRow, VersionRow.document_id == DocumentRow.id).where(
            is_newest, VersionRow.state == where.state
        )
    return query


def _delete(session: Session, document: DocumentRow) -> None:
    session.execute(delete(DocumentRow).where(DocumentRow.id == document.id))
    note_deletion(session, "document", document.id)
    tell_of_collection(session, "document.deleted", document.collection_id, document_id=document.id)


def _get(session: Session, document_id: DocumentId, access: Access) -> tuple[DocumentRow, str]:
    query = _select_documents(access).where(DocumentRow.id == document_id)
    row = session.execute(query).one_or_none()
    if row is None:
        raise DocumentNotFoundError(f"there is no document {document_id!r}")
    return row[0], row[1]


def _versions_of(session: Session, document_ids: Sequence[str]) -> dict[str, list[Version]]:
    parent = aliased(VersionRow)
    rows = session.execute(
        select(VersionRow, parent.document_id)
        .outerjoin(parent, parent.id == VersionRow.parent_id)
        .where(VersionRow.document_id.in_(document_ids))
        .order_by(VersionRow.number.desc())
    ).all()
    versions: dict[str, list[Version]] = defaultdict(list)
    for row, parent_id in rows:
        versions[row.document_id].append(_version(row, parent_id))
    return versions


def _documents(session: Session, rows: Iterable[tuple[DocumentRow, str]]) -> list[Document]:
    """Documents, each with the name of its collection, and what else there is to say of them."""
    found = list(rows)
    ids = [row.id for row, _ in found]
    versions, labels = _versions_of(session, ids), labels_by_document(session, ids)
    return [_document(row, name, versions[row.id], labels[row.id]) for row, name in found]


def _document(
    row: DocumentRow, collection: str, versions: Sequence[Version], labels: Sequence[Label]
) -> Document:
    searchable = next((version for version in versions if version.state == "searchable"), None)
    return Document(
        id=DocumentId(row.id),
        name=row.name,
        collection_id=CollectionId(row.collection_id),
        collection=collection,
        origin=row.origin,
        created_at=row.created_at,
        version=searchable or versions[0],
        newest=versions[0],
        labels=tuple(labels),
    )


def _version(row: VersionRow, parent_id: str | None) -> Version:
    return Version(
        id=VersionId(row.id),
        number=row.number,
        state=row.state,
        sha256=row.sha256,
        num_bytes=row.num_bytes,
        media_type=row.media_type,
        metadata=row.user_metadata,
        language=row.language,
        num_pages=row.num_pages,
        num_chunks=row.num_chunks,
        created_at=row.created_at,
        published_at=row.published_at,
        parent_id=DocumentId(parent_id) if parent_id is not None else None,
    )
