"""An upload that has arrived to a queued version, in one transaction. Reads no file's content."""

from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.blobs import PendingBlob
from core.ids import DocumentId, VersionId, new_id
from core.tables import DocumentRow, JobRow, VersionRow
from ingestion.attempts import OPEN_STATES
from ingestion.purge import lock_blobs, lock_collection, release_blobs
from ingestion.store import Store
from ingestion.turns import next_turn
from ingestion.uploads import Accepted, OnConflict, Upload, clean_name, clean_relative_path

_MAX_LANE_CHARS: Final = 80
_NOT_CURRENT: Final = ("failed", "cancelled", "replaced")


def accept(store: Store, upload: Upload, blob: PendingBlob) -> Accepted:
    """Make a received file a queued version: see `Documents.accept`."""
    # Before the transaction: the writer's lock must not wait for a slow disk or network.
    blob.prepare()
    try:
        with store.database.session_scope() as session:
            accepted = accept_in(session, upload, blob)
            if upload.password and not accepted.skipped:
                _keep_password(session, store, accepted.version_id, upload.password)
    except BaseException:
        # No row came to refer to bytes that were kept.
        release_blobs(store, [blob.sha256])
        raise
    if accepted.skipped:
        # a store elsewhere has had them since they were prepared
        release_blobs(store, [blob.sha256])
    return accepted


def accept_in(session: Session, upload: Upload, blob: PendingBlob) -> Accepted:
    """Make a received file a queued version inside a transaction; its blob is prepared."""
    lock_collection(session, upload.collection_id)
    lock_blobs(session)
    document = _find_or_add(session, upload)
    newest, current = _newest_and_current(session, document.id)
    if current is not None and current.sha256 == blob.sha256:
        if upload.origin is None:
            # Somebody wants it, whatever becomes of the folder it came from.
            document.origin = None
        # Again, although they should be there: so an upload mends bytes that were lost or damaged.
        blob.keep()
        return _accepted(session, current, deduplicated=True)
    if newest is not None and upload.origin not in (None, document.origin):
        return _accepted(session, current or newest, skipped=True)
    if current is not None and upload.on_conflict == OnConflict.SKIP:
        return _accepted(session, current, skipped=True)
    document.origin = upload.origin
    version = _queue_version(session, document, upload, blob)
    # Inside the transaction: deletion looks for references and unlinks inside one as well, so that
    # bytes can neither vanish under a new row nor stay behind an old one.
    blob.keep()
    return _accepted(session, version)


def _keep_password(session: Session, store: Store, version_id: VersionId, password: str) -> None:
    # Inside the transaction: from the commit on a worker may begin, and needs it. A version that
    # is searchable already needs none.
    if session.scalar(select(JobRow.state).where(JobRow.id == version_id)) in OPEN_STATES:
        store.staging.of(version_id).save_password(password)


def _find_or_add(session: Session, upload: Upload) -> DocumentRow:
    name = _name_of(upload)
    document = session.scalars(
        select(DocumentRow).where(
            DocumentRow.collection_id == upload.collection_id, DocumentRow.name == name
        )
    ).one_or_none()
    if document is None:
        document = DocumentRow(
            id=new_id("doc"),
            collection_id=upload.collection_id,
            name=name,
            origin=upload.origin,
            last_number=0,
        )
        session.add(document)
        session.flush()
    return document


def _name_of(upload: Upload) -> str:
    if upload.parent_id is not None:
        return upload.name
    is_path = upload.is_path or upload.origin is not None
    return clean_relative_path(upload.name) if is_path else clean_name(upload.name)


def _newest_and_current(
    session: Session, document_id: str
) -> tuple[VersionRow | None, VersionRow | None]:
    # the current version is the newest that is searchable or on its way there
    versions = session.scalars(
        select(VersionRow)
        .where(VersionRow.document_id == document_id)
        .order_by(VersionRow.number.desc())
    ).all()
    current = next((row for row in versions if row.state not in _NOT_CURRENT), None)
    return (versions[0] if versions else None), current


def _queue_version(
    session: Session, document: DocumentRow, upload: Upload, blob: PendingBlob
) -> VersionRow:
    document.last_number += 1
    version = VersionRow(
        id=new_id("ver"),
        document_id=document.id,
        number=document.last_number,
        state="queued",
        keep_older=upload.on_conflict == OnConflict.VERSION,
        sha256=blob.sha256,
        num_bytes=blob.num_bytes,
        media_type=upload.media_type,
        user_metadata=dict(upload.metadata),
        parent_id=upload.parent_id,
    )
    session.add(version)
    session.flush()
    lane = f"{upload.collection_id}/{upload.uploader}"[:_MAX_LANE_CHARS]
    turn = next_turn(session, lane)
    session.add(
        JobRow(id=version.id, document_id=document.id, state="queued", lane=lane, turn=turn)
    )
    session.flush()
    return version


def _accepted(
    session: Session, version: VersionRow, *, deduplicated: bool = False, skipped: bool = False
) -> Accepted:
    job = session.get_one(JobRow, version.id)
    return Accepted(
        document_id=DocumentId(version.document_id),
        version_id=VersionId(version.id),
        number=version.number,
        sha256=version.sha256,
        num_bytes=version.num_bytes,
        media_type=version.media_type,
        deduplicated=deduplicated,
        skipped=skipped,
        job_id=VersionId(version.id),
        attempt=job.attempt,
        turn=job.turn,
    )
