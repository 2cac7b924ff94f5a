"""The verification, from top to bottom. Safe beside a running service."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sqlalchemy import select

from core.blobs import BlobStore, hash_file
from core.database import Database
from core.errors import BlobMissingError
from core.ids import SegmentId
from core.segments import delete_segment
from core.tables import VersionRow
from core.verify.index import IndexCheck, check_index, rebuild_index
from core.verify.report import Finding, VerifyReport
from core.verify.truth import check_chunks, check_versions

# A segment folder that is not yet in the manifest may belong to a publication under way.
_PUBLISHING_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Premises:
    """What is verified. `alone` says that nothing is being ingested: the caller holds the lock."""

    database: Database
    blobs: BlobStore
    segments_root: Path
    alone: bool


def verify(premises: Premises, *, repair: bool) -> VerifyReport:
    """Compare blobs, rows and index; with `repair`, mend what can be mended without the originals.

    Orphans are removed and the index is rebuilt from the vectors in SQL. Missing bytes and texts
    that disagree cannot be mended: upload the document again.
    """
    with premises.database.read_scope() as session:
        num_versions, findings = check_versions(session)
        num_chunks, of_chunks = check_chunks(session)
        index = check_index(session, premises.segments_root)
    findings += of_chunks
    findings += _index_findings(premises, index, repair=repair)
    num_blobs, of_blobs = _check_blobs(premises, repair=repair)
    return VerifyReport(
        checked={
            "versions": num_versions,
            "chunks": num_chunks,
            "segments": index.num_segments,
            "vectors": index.num_vectors,
            "blobs": num_blobs,
        },
        findings=tuple(findings + of_blobs),
    )


def _index_findings(premises: Premises, index: IndexCheck, *, repair: bool) -> list[Finding]:
    findings = list(index.findings)
    if findings and repair:
        with premises.database.session_scope() as session:
            replaced = rebuild_index(session, premises.segments_root)
        for segment_id in replaced:
            delete_segment(premises.segments_root, segment_id)
        findings = [replace(finding, mended=True) for finding in findings]
    for segment_id in sorted(index.unnamed):
        if premises.alone or _is_abandoned(premises.segments_root, segment_id):
            if repair:
                delete_segment(premises.segments_root, segment_id)
            detail = "no manifest names this folder"
            findings.append(Finding("orphan_segment", segment_id, detail, mended=repair))
    return findings


def _is_abandoned(root: Path, segment_id: SegmentId) -> bool:
    folder = root / segment_id
    return folder.exists() and time.time() - folder.stat().st_mtime > _PUBLISHING_S


def _check_blobs(premises: Premises, *, repair: bool) -> tuple[int, list[Finding]]:
    with premises.database.session_scope() as session:
        # The writer's lock: uploads move their bytes in, and deletions out, while they hold it.
        named = set(session.scalars(select(VersionRow.sha256)))
        orphans = sorted(set(premises.blobs.list()) - named)
        for sha256 in orphans if repair else ():
            premises.blobs.delete(sha256)
    findings = [
        Finding("orphan_blob", sha256, "no version has these bytes", mended=repair)
        for sha256 in orphans
    ]
    # Hashing takes long, so the lock is not held for it.
    for sha256 in sorted(named):
        findings += _check_blob(premises, sha256)
    return len(named), findings


def _check_blob(premises: Premises, sha256: str) -> Iterator[Finding]:
    try:
        found = hash_file(premises.blobs.path(sha256))
    except (BlobMissingError, FileNotFoundError) as error:
        # Deleted since we looked, with its document? Then nothing is wrong.
        with premises.database.read_scope() as session:
            wanted = select(VersionRow.id).where(VersionRow.sha256 == sha256).limit(1)
            if session.scalar(wanted) is not None:
                yield Finding("missing_blob", sha256, str(error))
        return
    if found != sha256:
        yield Finding("blob", sha256, f"the bytes hash to {found}")
