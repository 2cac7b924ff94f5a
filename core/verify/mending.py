"""Mend rows that do not agree. What cannot be told from other rows is made anew from the bytes.

Deletes chunks without masking their vectors: the index is compared and rebuilt right afterwards.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from core.blobs import BlobStore, is_whole
from core.tables import Base, ChunkRow, DocumentRow, JobRow, VersionRow, VersionTextRow, now
from core.verify.report import Finding

_SETTLED: Final = ("searchable", "replaced")
_OPEN: Final = ("queued", "running")


def mend_rows(
    session: Session, blobs: BlobStore, findings: Sequence[Finding]
) -> tuple[Finding, ...]:
    """Mend each finding that can be, inside the caller's transaction; says which ones were."""
    # Rows that refer to nothing first: nothing else can be told about them.
    ordered = sorted(findings, key=lambda finding: finding.kind != "orphan_row")
    return tuple(
        replace(each, mended=_MENDERS[each.kind](session, blobs, each)) for each in ordered
    )


def _drop_row(session: Session, _blobs: BlobStore, finding: Finding) -> bool:
    table, _, rowid = finding.subject.partition(":")
    row = text("rowid = :rowid").bindparams(rowid=int(rowid))
    session.execute(Base.metadata.tables[table].delete().where(row))
    return True


def _drop_document(session: Session, _blobs: BlobStore, finding: Finding) -> bool:
    session.execute(delete(DocumentRow).where(DocumentRow.id == finding.subject))
    return True


def _add_job(session: Session, _blobs: BlobStore, finding: Finding) -> bool:
    version = session.get(VersionRow, finding.subject)
    if version is not None:
        state = "searchable" if version.state in _SETTLED else version.state
        job = JobRow(id=version.id, document_id=version.document_id, state=state)
        job.finished_at = None if state in _OPEN else now()
        session.add(job)
        session.flush()
    return True


def _settle_state(session: Session, blobs: BlobStore, finding: Finding) -> bool:
    version = session.get(VersionRow, finding.subject)
    job = session.get(JobRow, finding.subject)
    if version is None or job is None:
        return True
    if version.state in _SETTLED:
        job.state, job.finished_at = "searchable", job.finished_at or now()
        return True
    if job.state == "searchable":
        return _queue_again(session, blobs, version)
    version.state = job.state
    return True


def _make_version_anew(session: Session, blobs: BlobStore, finding: Finding) -> bool:
    version = session.get(VersionRow, finding.subject)
    return version is None or _queue_again(session, blobs, version)


def _make_chunks_version_anew(session: Session, blobs: BlobStore, finding: Finding) -> bool:
    chunk = session.get(ChunkRow, int(finding.subject))
    version = session.get(VersionRow, chunk.version_id) if chunk is not None else None
    return version is None or _queue_again(session, blobs, version)


def _queue_again(session: Session, blobs: BlobStore, version: VersionRow) -> bool:
    """Forget what was made of the version's bytes, and have it made again if it is wanted."""
    job = session.get_one(JobRow, version.id)
    is_due = version.state == "searchable" or job.state == "searchable"
    if version.state == "replaced" or not is_due:
        session.execute(delete(ChunkRow).where(ChunkRow.version_id == version.id))
        return True
    # What is there, wrong as it may be, is not given up for bytes that are not there.
    if not is_whole(blobs, version.sha256):
        return False
    for row in (ChunkRow.version_id, VersionTextRow.version_id):
        session.execute(delete(row.class_).where(row == version.id))
    version.state, version.published_at, version.num_chunks = "queued", None, None
    job.state, job.attempt = "queued", job.attempt + 1
    job.stage = job.total = job.unit = job.started_at = job.finished_at = None
    job.done = 0
    session.flush()
    return True


def _place_chunk(session: Session, _blobs: BlobStore, finding: Finding) -> bool:
    chunk = session.get(ChunkRow, int(finding.subject))
    if chunk is not None:
        document = session.scalars(
            select(DocumentRow)
            .join(VersionRow, VersionRow.document_id == DocumentRow.id)
            .where(VersionRow.id == chunk.version_id)
        ).one()
        chunk.document_id, chunk.collection_id = document.id, document.collection_id
    return True


def _leave(_session: Session, _blobs: BlobStore, _finding: Finding) -> bool:
    # whether it was wanted back is for a person to say
    return False


_MENDERS: Final[Mapping[str, Callable[[Session, BlobStore, Finding], bool]]] = {
    "orphan_row": _drop_row,
    "returned": _leave,
    "empty_document": _drop_document,
    "missing_job": _add_job,
    "job_state": _settle_state,
    "chunk_count": _make_version_anew,
    "missing_text": _make_version_anew,
    "chunk_text": _make_chunks_version_anew,
    "vector_length": _make_chunks_version_anew,
    "chunk_place": _place_chunk,
}
