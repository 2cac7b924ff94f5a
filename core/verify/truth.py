"""Rows against rows: references, versions and their jobs, texts and chunks. Reads only."""

from collections.abc import Iterator

from sqlalchemy import func, select
from sqlalchemy.orm import Session, undefer

from core.tables import (
    ChunkRow,
    CollectionRow,
    DeletionRow,
    DocumentRow,
    JobRow,
    SegmentRow,
    VersionRow,
    VersionTextRow,
)
from core.verify.report import Finding

_FLOAT16_BYTES = 2
# A version that was published and then superseded: its job came to a good end once.
_REPLACED = "replaced"


def check_references(session: Session) -> Iterator[Finding]:
    """Every row that refers to another refers to one that is there."""
    if session.get_bind().dialect.name != "sqlite":
        return  # other databases never let go of a constraint
    for table, rowid, parent, _ in session.connection().exec_driver_sql("PRAGMA foreign_key_check"):
        yield Finding("orphan_row", f"{table}:{rowid}", f"its row of {parent} is not there")


def check_jobs(session: Session) -> Iterator[Finding]:
    """Every document has a version, every version a job that tells of the same state."""
    documents = select(DocumentRow.id).where(
        ~select(VersionRow.id).where(VersionRow.document_id == DocumentRow.id).exists()
    )
    for document_id in session.scalars(documents):
        yield Finding("empty_document", document_id, "it has no version")
    versions = select(VersionRow.id, VersionRow.state, JobRow.state.label("job")).outerjoin(
        JobRow, JobRow.id == VersionRow.id
    )
    for row in session.execute(versions):
        due = "searchable" if row.state == _REPLACED else row.state
        if row.job is None:
            yield Finding("missing_job", row.id, f"{row.state} version has no job")
        elif row.job != due:
            yield Finding("job_state", row.id, f"{row.state} version has a job that is {row.job}")


def check_deletions(session: Session) -> Iterator[Finding]:
    """Nothing is there that was deleted and is not wanted back."""
    of_kinds = {
        "document": DocumentRow.id,
        "version": VersionRow.id,
        "collection": CollectionRow.id,
    }
    for kind, column in of_kinds.items():
        query = select(column, DeletionRow.deleted_at).join(
            DeletionRow, (DeletionRow.subject == column) & DeletionRow.restored_at.is_(None)
        )
        for subject, moment in session.execute(query):
            detail = f"this {kind} was deleted at {moment:%Y-%m-%d %H:%M} and is there again"
            yield Finding("returned", subject, f"{detail}: delete it once more")


def check_versions(session: Session) -> tuple[int, list[Finding]]:
    """Every searchable version has its text and all its chunks; no other version has chunks."""
    per_version = select(ChunkRow.version_id, func.count().label("num_chunks")).group_by(
        ChunkRow.version_id
    )
    counts = {row.version_id: row.num_chunks for row in session.execute(per_version)}
    texts = set(session.scalars(select(VersionTextRow.version_id)))
    findings = []
    num_versions = 0
    for version in session.scalars(select(VersionRow).execution_options(yield_per=500)):
        num_versions += 1
        found = counts.get(version.id, 0)
        expected = version.num_chunks or 0 if version.state == "searchable" else 0
        if found != expected:
            detail = f"{version.state} version has {found} chunks, {expected} are due"
            findings.append(Finding("chunk_count", version.id, detail))
        if version.state == "searchable" and version.id not in texts:
            findings.append(Finding("missing_text", version.id, "searchable version has no text"))
    return num_versions, findings


def check_chunks(session: Session) -> tuple[int, list[Finding]]:
    """Every chunk is the slice of its text that its offsets say, in its document's collection."""
    findings: list[Finding] = []
    num_chunks = 0
    for version_id in session.scalars(select(VersionTextRow.version_id)).all():
        text = session.scalars(
            select(VersionTextRow.text).where(VersionTextRow.version_id == version_id)
        ).one()
        rows = session.scalars(
            select(ChunkRow)
            .where(ChunkRow.version_id == version_id)
            .options(undefer(ChunkRow.vector))
        )
        for chunk in rows:
            num_chunks += 1
            if text[chunk.start : chunk.end] != chunk.text:
                detail = f"text is not the slice {chunk.start}:{chunk.end} of version {version_id}"
                findings.append(Finding("chunk_text", str(chunk.id), detail))
        session.expunge_all()
    findings += _misplaced(session)
    findings += _vector_lengths(session)
    return num_chunks, findings


def _misplaced(session: Session) -> Iterator[Finding]:
    rows = session.execute(
        select(ChunkRow.id)
        .join(VersionRow, VersionRow.id == ChunkRow.version_id)
        .join(DocumentRow, DocumentRow.id == VersionRow.document_id)
        .where(
            (ChunkRow.document_id != DocumentRow.id)
            | (ChunkRow.collection_id != DocumentRow.collection_id)
        )
    )
    for (chunk_id,) in rows:
        yield Finding("chunk_place", str(chunk_id), "document or collection differs from its row")


def _vector_lengths(session: Session) -> Iterator[Finding]:
    segments = select(SegmentRow.embedding_model, SegmentRow.num_dimensions)
    dimensions = {row.embedding_model: row.num_dimensions for row in session.execute(segments)}
    rows = session.execute(
        select(ChunkRow.id, func.length(ChunkRow.vector), VersionRow.embedding_model).join(
            VersionRow, VersionRow.id == ChunkRow.version_id
        )
    )
    for chunk_id, num_bytes, model in rows:
        expected = dimensions.get(model or "")
        if expected is not None and num_bytes != expected * _FLOAT16_BYTES:
            detail = f"vector has {num_bytes} bytes, {expected} dimensions need twice as many"
            yield Finding("vector_length", str(chunk_id), detail)
