"""Take versions out of the truth, their vectors out of every search, their bytes off the disk."""

from collections.abc import Iterable
from dataclasses import dataclass

import structlog
from sqlalchemy import Select, delete, exists, func, insert, literal, select, text, update
from sqlalchemy.orm import Session

from core.errors import (
    BlobStoreRefusedError,
    BlobStoreUnavailableError,
    CollectionNotFoundError,
)
from core.evaluation_redaction import redact_evaluations
from core.ids import CollectionId, VersionId
from core.redaction import forget_examples, redact_answers
from core.tables import (
    ChunkRow,
    CollectionRow,
    DeletedChunkRow,
    DocumentRow,
    JobRow,
    ManifestRow,
    VersionRow,
    VersionTextRow,
)
from ingestion.store import Store

log = structlog.get_logger()

# Any constant: it names the lock on PostgreSQL under which blobs come and go.
_BLOB_LOCK = 0x43494D49
_ID_BATCH = 500


@dataclass(frozen=True, slots=True)
class Purged:
    """What a deletion removed. Every number is a count."""

    versions: int = 0
    chunks: int = 0
    vectors: int = 0
    blobs: int = 0


@dataclass(frozen=True, slots=True)
class Removed:
    """Versions that left the truth; their files follow in `clear_files`, after the commit."""

    version_ids: tuple[VersionId, ...] = ()
    sha256s: tuple[str, ...] = ()
    num_chunks: int = 0


def remove_versions(session: Session, scope: Select[str]) -> Removed:
    """Delete the versions whose ids `scope` selects, with chunks, texts and jobs.

    So are those that were attached to them, and documents that are left without a version by it.
    Stored answers and evaluation runs lose the words that they hold of them; examples that hold
    some go.
    From the commit of this transaction on no search shows them.
    """
    attached = attached_to(session, scope)
    below = Removed() if attached is None else remove_versions(session, attached)
    rows = session.execute(
        select(
            VersionRow.id, VersionRow.sha256, VersionRow.document_id, VersionRow.parent_id
        ).where(VersionRow.id.in_(scope))
    ).all()
    redact_answers(session, scope)
    redact_evaluations(session, scope)
    num_chunks = remove_chunks(session, scope)
    if forget_examples(session, scope) and not num_chunks:
        # generators must forget what they computed for an example, as for a passage
        _mark_deletion(session, next_generation(session))
    for table in (VersionTextRow.version_id, JobRow.id, VersionRow.id):
        session.execute(delete(table.class_).where(table.in_(scope)))
    remove_empty(session, {row.document_id for row in rows if row.parent_id is not None})
    return Removed(
        (*below.version_ids, *(VersionId(row.id) for row in rows)),
        tuple({*below.sha256s, *(row.sha256 for row in rows)}),
        below.num_chunks + num_chunks,
    )


def attached_to(session: Session, scope: Select[str]) -> Select[str] | None:
    """Selects the ids of the versions attached to those in `scope`; None where there are none."""
    attached = select(VersionRow.id).where(VersionRow.parent_id.in_(scope))
    return None if session.scalar(attached.limit(1)) is None else attached


def remove_empty(session: Session, document_ids: set[str]) -> None:
    """Delete those of the documents that have no version left."""
    # a mail may have had very many; a statement takes only so many parameters
    has_versions = exists().where(VersionRow.document_id == DocumentRow.id)
    ids = sorted(document_ids)
    for start in range(0, len(ids), _ID_BATCH):
        batch = DocumentRow.id.in_(ids[start : start + _ID_BATCH])
        session.execute(delete(DocumentRow).where(batch, ~has_versions))


def remove_chunks(session: Session, scope: Select[str]) -> int:
    """Delete the chunks of the versions in `scope`; mask their vectors. Returns how many."""
    of_scope = ChunkRow.version_id.in_(scope)
    num_chunks = session.scalar(select(func.count()).select_from(ChunkRow).where(of_scope)) or 0
    if num_chunks:
        generation = next_generation(session)
        session.execute(
            insert(DeletedChunkRow).from_select(
                ["chunk_id", "generation"],
                select(ChunkRow.id, literal(generation)).where(of_scope),
            )
        )
        session.execute(delete(ChunkRow).where(of_scope))
        _mark_deletion(session, generation)
    return num_chunks


def _mark_deletion(session: Session, generation: int) -> None:
    session.execute(update(ManifestRow).values(last_deletion=generation))


def next_generation(session: Session) -> int:
    """Move the index manifest one generation on, so that every reader looks again."""
    session.execute(update(ManifestRow).values(generation=ManifestRow.generation + 1))
    return session.scalars(select(ManifestRow.generation)).one()


def clear_files(store: Store, removed: Removed) -> Purged:
    """Remove staged work and unreferenced blobs of removed versions. Returns what is gone now.

    Comes after the commit that removed them: a commit that fails must not have cost any bytes. A
    crash in between leaves orphans, which the worker sweeps when it starts.
    """
    for version_id in removed.version_ids:
        store.staging.remove(version_id)
    num_blobs = _release_if_there(store, removed.sha256s) if removed.sha256s else 0
    if removed.version_ids:
        store.database.overwrite_deleted()
    return Purged(len(removed.version_ids), removed.num_chunks, removed.num_chunks, num_blobs)


def _release_if_there(store: Store, sha256s: Iterable[str]) -> int:
    # The deletion is committed: that the blob store is away for now must not make it look failed.
    try:
        return release_blobs(store, sha256s)
    except (BlobStoreUnavailableError, BlobStoreRefusedError) as error:
        log.warning("blobs_left", reason=str(error), remedy="a worker removes them later")
        return 0


def release_blobs(store: Store, sha256s: Iterable[str]) -> int:
    """Unlink those blobs that no version refers to. Returns how many.

    Under the writer's lock, as uploads keep theirs: the same bytes cannot arrive in between.
    """
    with store.database.session_scope() as session:
        lock_blobs(session)
        free = [sha256 for sha256 in set(sha256s) if not _is_named(session, sha256)]
        store.blobs.delete(free)
    return len(free)


def _is_named(session: Session, sha256: str) -> bool:
    named = select(VersionRow.id).where(VersionRow.sha256 == sha256).limit(1)
    return session.scalar(named) is not None


def lock_collection(session: Session, collection_id: CollectionId) -> None:
    """Let uploads into a collection and deletions from it come one after the other.

    For PostgreSQL; SQLite's one writer is enough. Raises `CollectionNotFoundError`.
    """
    query = select(CollectionRow.id).where(CollectionRow.id == collection_id).with_for_update()
    if session.scalar(query) is None:
        raise CollectionNotFoundError("the collection was deleted")


def lock_blobs(session: Session) -> None:
    """Hold the blob store still until this transaction ends.

    SQLite has one writer at a time, and this transaction is it; PostgreSQL needs a word for it.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _BLOB_LOCK})
