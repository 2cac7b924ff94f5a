"""The dense index against the rows: every live chunk once, its very vector, and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.errors import SegmentCorruptError
from core.ids import SegmentId
from core.segment_files import SegmentFiles
from core.segments import Segment
from core.tables import ChunkRow, DeletedChunkRow, SegmentRow, VersionRow
from core.verify.report import Finding

_BATCH: Final = 2_000


@dataclass(slots=True)
class IndexCheck:
    """What was seen of the index."""

    num_segments: int = 0
    num_vectors: int = 0
    findings: list[Finding] = field(default_factory=list)
    # Folders that no manifest names; they may be a publication that is under way.
    unnamed: set[SegmentId] = field(default_factory=set)


def check_index(session: Session, files: SegmentFiles) -> IndexCheck:
    """Compare every segment with the rows. Holds one segment in memory at a time."""
    check = IndexCheck()
    here = files.list_idle()
    rows = session.scalars(select(SegmentRow).order_by(SegmentRow.id)).all()
    deleted = np.array(session.scalars(select(DeletedChunkRow.chunk_id)).all(), dtype=np.int64)
    check.unnamed = here - {SegmentId(row.id) for row in rows}
    seen: dict[str, list[npt.NDArray[np.int64]]] = {}
    for row in rows:
        check.num_segments += 1
        try:
            segment = files.load(row)
        except SegmentCorruptError as error:
            check.findings.append(Finding("segment", row.id, str(error)))
            continue
        check.num_vectors += row.num_vectors
        live = ~np.isin(segment.chunk_ids, deleted)
        check.findings += _check_segment(session, segment, live)
        seen.setdefault(row.embedding_model, []).append(segment.chunk_ids[live])
    check.findings += _check_coverage(session, seen)
    return check


def _check_segment(
    session: Session, segment: Segment, live: npt.NDArray[np.bool_]
) -> Iterator[Finding]:
    positions = np.flatnonzero(live)
    for start in range(0, len(positions), _BATCH):
        yield from _check_batch(session, segment, positions[start : start + _BATCH])


def _check_batch(
    session: Session, segment: Segment, positions: npt.NDArray[np.intp]
) -> Iterator[Finding]:
    ids = [int(chunk_id) for chunk_id in segment.chunk_ids[positions]]
    rows = {
        row.id: row
        for row in session.execute(
            select(ChunkRow.id, ChunkRow.collection_id, ChunkRow.vector).where(ChunkRow.id.in_(ids))
        )
    }
    for position, chunk_id in zip(positions, ids, strict=True):
        row = rows.get(chunk_id)
        place = f"segment {segment.id}"
        if row is None:
            detail = f"{place} holds a vector of a chunk that does not exist"
            yield Finding("orphan_vector", str(chunk_id), detail)
            continue
        stored = np.frombuffer(row.vector, dtype="<f2").astype(np.float32)
        held = segment.index.reconstruct(int(position))
        if stored.shape != held.shape or not np.array_equal(stored, held):
            yield Finding("vector", str(chunk_id), f"vector in {place} is not the one in the row")
        if segment.collection_ids[segment.collection_codes[position]] != row.collection_id:
            yield Finding("vector_place", str(chunk_id), f"{place} has another collection for it")


def _check_coverage(
    session: Session, seen: dict[str, list[npt.NDArray[np.int64]]]
) -> Iterator[Finding]:
    rows = session.execute(
        select(VersionRow.embedding_model, ChunkRow.id).join(
            VersionRow, VersionRow.id == ChunkRow.version_id
        )
    )
    due: dict[str, list[int]] = {}
    for model, chunk_id in rows:
        due.setdefault(model or "", []).append(chunk_id)
    for model, ids in due.items():
        held = np.concatenate(seen.get(model) or [np.zeros(0, dtype=np.int64)])
        for chunk_id in np.setdiff1d(np.array(ids, dtype=np.int64), held):
            yield Finding("missing_vector", str(chunk_id), "a live chunk is in no segment")
        unique, counts = np.unique(held, return_counts=True)
        for chunk_id in unique[counts > 1]:
            yield Finding("double_vector", str(chunk_id), "a chunk is in two segments")
