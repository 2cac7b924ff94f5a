"""Make a version searchable at one instant: segment first, then one transaction. Embeds nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import Select, insert, select, update
from sqlalchemy.orm import Session

from core.ids import CollectionId, SegmentId, VersionId, new_id
from core.segments import SegmentContent
from core.tables import (
    ChunkIdRow,
    ChunkRow,
    DocumentRow,
    JobRow,
    ManifestRow,
    SegmentRow,
    VersionRow,
    VersionTextRow,
    now,
)
from ingestion.attaching import Incoming, attach, receive
from ingestion.attempts import OPEN_STATES, Attempt, finish
from ingestion.labels import Judged, keep_verdicts
from ingestion.parsing.attachments import AttachedFile
from ingestion.parsing.document import ParsedDocument
from ingestion.purge import (
    Removed,
    attached_to,
    clear_files,
    next_generation,
    release_blobs,
    remove_chunks,
    remove_versions,
)
from ingestion.spans import ChunkPlan
from ingestion.staging import HalfVectors
from ingestion.store import Store


@dataclass(frozen=True, slots=True)
class Publication:
    """A version that is ready: its text, its N chunks and their (N, D) vectors."""

    attempt: Attempt
    parsed: ParsedDocument
    plan: ChunkPlan
    vectors: HalfVectors
    embedding_model: str
    attachments: tuple[AttachedFile, ...] = ()
    # what classifiers say that it is
    said: tuple[Judged, ...] = ()


@dataclass(frozen=True, slots=True)
class _Written:
    """A segment that no manifest names yet, of chunks from `first_id` on; `sha256` is its blob."""

    segment_id: SegmentId
    first_id: int
    sha256: str | None = None


class ModelChangedError(Exception):
    """The index was given over to another embedding model: embed with that one, publish again."""


def publish(store: Store, publication: Publication) -> None:
    """Make the version searchable in place of older ones.

    Until the transaction commits nothing of it can be found; a crash before leaves at most a
    segment that no manifest names. Raises `NoLongerWantedError` and `ModelChangedError`; then
    nothing was changed.
    """
    with store.database.read_scope() as session:
        collection_id = _collection_of(session, publication.attempt.version_id)
    first_id = _take_chunk_ids(store, len(publication.vectors))
    segment_id = SegmentId(new_id("seg"))
    written = _Written(segment_id, first_id)
    with receive(store, publication.attachments) as incoming:
        try:
            content = _content(publication, collection_id, first_id)
            written = replace(written, sha256=store.segments.write(segment_id, content))
            with store.database.session_scope() as session:
                removed = _insert(session, publication, written, incoming)
        except BaseException:
            _drop_unnamed(store, written)
            release_blobs(store, [item.blob.sha256 for item in incoming])
            raise
    clear_files(store, removed)


def _collection_of(session: Session, version_id: VersionId) -> CollectionId | None:
    # None when the version was deleted; the transaction finds that out again, and for certain
    query = (
        select(DocumentRow.collection_id)
        .join(VersionRow, VersionRow.document_id == DocumentRow.id)
        .where(VersionRow.id == version_id)
    )
    found = session.scalar(query)
    return CollectionId(found) if found is not None else None


def _take_chunk_ids(store: Store, count: int) -> int:
    with store.database.session_scope() as session:
        session.execute(update(ChunkIdRow).values(next_id=ChunkIdRow.next_id + count))
        return session.scalars(select(ChunkIdRow.next_id)).one() - count


def _content(
    publication: Publication, collection_id: CollectionId | None, first_id: int
) -> SegmentContent:
    num_vectors = len(publication.vectors)
    return SegmentContent(
        chunk_ids=np.arange(first_id, first_id + num_vectors, dtype=np.int64),
        collection_ids=[collection_id or CollectionId("")] * num_vectors,
        # The very values that SQL keeps: a segment rebuilt from there is the same.
        vectors=publication.vectors.astype(np.float32),
    )


def _insert(
    session: Session,
    publication: Publication,
    written: _Written,
    incoming: Sequence[Incoming],
) -> Removed:
    attempt, parsed = publication.attempt, publication.parsed
    finish(session, attempt, num_chunks=len(publication.vectors))
    _claim_model(session, publication.embedding_model)
    version = session.get_one(VersionRow, attempt.version_id)
    document = session.get_one(DocumentRow, version.document_id)
    attach(session, version, incoming)
    removed = _retire_older(session, version)
    session.add(
        VersionTextRow(
            version_id=version.id,
            text=parsed.text,
            page_starts=list(parsed.page_starts),
            line_boxes=[list(box) for box in parsed.line_boxes],
        )
    )
    session.execute(insert(ChunkRow), _chunk_rows(publication, document, written.first_id))
    keep_verdicts(session, document.id, publication.said)
    session.add(
        SegmentRow(
            id=written.segment_id,
            sha256=written.sha256,
            embedding_model=publication.embedding_model,
            num_vectors=len(publication.vectors),
            num_dimensions=publication.vectors.shape[1],
        )
    )
    version.language = publication.plan.language
    version.num_pages = len(parsed.page_starts) or None
    version.num_chunks = len(publication.vectors)
    version.embedding_model = publication.embedding_model
    version.published_at = now()
    version.generation = next_generation(session)
    return removed


def _claim_model(session: Session, model: str) -> None:
    manifest = session.scalars(select(ManifestRow)).one()
    if manifest.embedding_model not in (None, model):
        raise ModelChangedError(manifest.embedding_model)
    manifest.embedding_model = model


def _chunk_rows(
    publication: Publication, document: DocumentRow, first_id: int
) -> list[dict[str, object]]:
    text = publication.parsed.text
    return [
        {
            "id": first_id + ordinal,
            "version_id": publication.attempt.version_id,
            "document_id": document.id,
            "collection_id": document.collection_id,
            "ordinal": ordinal,
            "start": span.start,
            "end": span.end,
            "page": span.page,
            "heading": span.heading,
            "table_header": span.table_header(text),
            "language": span.language,
            "text": text[span.start : span.end],
            "vector": vector.astype("<f2").tobytes(),
        }
        for ordinal, (span, vector) in enumerate(
            zip(publication.plan.spans, publication.vectors, strict=True)
        )
    ]


def _retire_older(session: Session, version: VersionRow) -> Removed:
    older = select(VersionRow.id).where(
        VersionRow.document_id == version.document_id, VersionRow.number < version.number
    )
    if not version.keep_older:
        # History that was asked for stays until it is deleted.
        return remove_versions(session, older.where(VersionRow.state != "replaced"))
    _make_history(session, older)
    return Removed()


def _make_history(session: Session, scope: Select[str]) -> None:
    # what was attached goes with it
    attached = attached_to(session, scope)
    if attached is not None:
        _make_history(session, attached)
    remove_chunks(session, scope)
    ids = session.scalars(scope).all()
    session.execute(
        update(JobRow)
        .where(JobRow.id.in_(ids), JobRow.state.in_(OPEN_STATES))
        .values(state="cancelled", finished_at=now())
    )
    for before, after in (
        ("searchable", "replaced"),
        ("queued", "cancelled"),
        ("running", "cancelled"),
    ):
        session.execute(
            update(VersionRow)
            .where(VersionRow.id.in_(ids), VersionRow.state == before)
            .values(state=after)
        )


def _drop_unnamed(store: Store, written: _Written) -> None:
    # asked, not assumed: a commit can succeed and still raise, when the connection breaks
    with store.database.read_scope() as session:
        if session.get(SegmentRow, written.segment_id) is None:
            store.segments.delete(written.segment_id, written.sha256)
