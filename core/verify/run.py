"""The verification, from top to bottom. Safe beside a running service."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sqlalchemy import select

from core.blobs import BlobStore
from core.database import Database
from core.durable import stood_still
from core.errors import AlreadyRunningError, BlobDamagedError, BlobMissingError
from core.ids import SegmentId
from core.merging import Workshop, rebuild_all
from core.segment_files import SegmentFiles
from core.segments import delete_segment
from core.tables import CollectionRow, DocumentRow, VersionRow
from core.verify.index import IndexCheck, check_index
from core.verify.mending import mend_rows
from core.verify.report import Check, Finding, VerifyReport
from core.verify.truth import (
    check_chunks,
    check_deletions,
    check_jobs,
    check_references,
    check_versions,
)

# What is not yet in the truth may belong to work that is under way, unless it is older than this.
GRACE_S: Final = 600.0
_SETTLE_S: Final = 1.0
# A merge that is under way ends within this time.
_MERGING_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Premises:
    """What is verified. `alone` says that nothing is being ingested: the caller holds the lock."""

    database: Database
    blobs: BlobStore
    segments: SegmentFiles
    alone: bool


def verify(premises: Premises, *, repair: bool, checks: Sequence[Check] = ()) -> VerifyReport:
    """Compare rows, index, blobs and whatever else `checks` look at; with `repair`, mend.

    Orphans are removed, the index is rebuilt from the vectors in SQL, and versions whose rows do
    not agree are queued to be made anew from their bytes. Bytes that are lost cannot be mended:
    the finding names the document to upload again.
    """
    counts, findings = _check_rows(premises, repair=repair)
    index, of_index = _check_index(premises, repair=repair)
    num_blobs, of_blobs = _check_blobs(premises, repair=repair)
    looked = [check(repair=repair) for check in checks]
    return VerifyReport(
        checked={
            **counts,
            "segments": index.num_segments,
            "vectors": index.num_vectors,
            "blobs": num_blobs,
            **{each.name: each.num_checked for each in looked},
        },
        findings=(*findings, *of_index, *of_blobs, *(f for each in looked for f in each.findings)),
    )


def _check_rows(premises: Premises, *, repair: bool) -> tuple[dict[str, int], tuple[Finding, ...]]:
    with premises.database.read_scope() as session:
        findings = [
            *check_references(session),
            *check_jobs(session),
            *check_deletions(session),
        ]
        num_versions, of_versions = check_versions(session)
        num_chunks, of_chunks = check_chunks(session)
        findings += of_versions + of_chunks
    counts = {"versions": num_versions, "chunks": num_chunks}
    if not findings or not repair:
        return counts, tuple(findings)
    with premises.database.session_scope() as session:
        return counts, mend_rows(session, premises.blobs, findings)


def _check_index(premises: Premises, *, repair: bool) -> tuple[IndexCheck, list[Finding]]:
    def look() -> IndexCheck:
        with premises.database.read_scope() as session:
            return check_index(session, premises.segments)

    index = look()
    findings = list(index.findings)
    if findings and not premises.alone:
        # A segment that was read may have been replaced meanwhile; what is wrong is so twice.
        findings = _seen_again(findings, lambda: look().findings)
    if findings and repair:
        shop = Workshop(premises.database, premises.segments)
        with shop.lock(wait_s=_MERGING_S):
            rebuild_all(shop)
        findings = [replace(finding, mended=True) for finding in findings]
    return index, [*findings, *_check_unnamed(premises, index.unnamed, repair=repair)]


def _check_unnamed(
    premises: Premises, unnamed: set[SegmentId], *, repair: bool
) -> Iterator[Finding]:
    with ExitStack() as stack:
        settled = premises.alone
        try:
            stack.enter_context(Workshop(premises.database, premises.segments).lock())
        except AlreadyRunningError:
            settled = False  # a merge writes its segment before the manifest names it
        for segment_id in sorted(unnamed):
            if settled or is_abandoned(premises.segments.root / segment_id):
                if repair:
                    delete_segment(premises.segments.root, segment_id)
                detail = "no manifest names this folder"
                yield Finding("orphan_segment", segment_id, detail, mended=repair)


def is_abandoned(path: Path) -> bool:
    """Whether nobody has touched it for so long that no work under way can need it."""
    return stood_still(path, GRACE_S)


def _seen_again(findings: list[Finding], look: Callable[[], list[Finding]]) -> list[Finding]:
    seen = {(finding.kind, finding.subject) for finding in look()}
    return [finding for finding in findings if (finding.kind, finding.subject) in seen]


def _check_blobs(premises: Premises, *, repair: bool) -> tuple[int, list[Finding]]:
    orphans, named = _orphan_blobs(premises, only=None, remove=premises.alone and repair)
    if orphans and not premises.alone:
        # Between a deletion's commit and the removal of its bytes: what stays belongs to nobody.
        time.sleep(_SETTLE_S)
        orphans, _ = _orphan_blobs(premises, only=orphans, remove=repair)
    findings = [
        Finding("orphan_blob", sha256, "no version has these bytes", mended=repair)
        for sha256 in sorted(orphans)
    ]
    # Hashing takes long, so the lock is not held for it.
    for sha256 in sorted(named):
        findings += _check_blob(premises, sha256)
    return len(named), findings


def _orphan_blobs(
    premises: Premises, *, only: set[str] | None, remove: bool
) -> tuple[set[str], set[str]]:
    """The blobs that no version names, among `only` if given; and those that one does."""
    with premises.database.session_scope() as session:
        # The writer's lock: uploads move their bytes in, and deletions out, while they hold it.
        named = set(session.scalars(select(VersionRow.sha256)))
        orphans = set(premises.blobs.list()) - named
        if only is not None:
            orphans &= only
        if remove:
            premises.blobs.delete(orphans)
    return orphans, named


def _check_blob(premises: Premises, sha256: str) -> Iterator[Finding]:
    try:
        for _ in premises.blobs.read(sha256):
            pass
    except BlobMissingError:
        kind, what = "missing_blob", "are gone"
    except BlobDamagedError:
        kind, what = "blob", "have changed"
    else:
        return
    # Deleted since we looked, with its document? Then nothing is wrong.
    for name in _documents_of(premises.database, sha256):
        yield Finding(kind, sha256, f"the bytes of {name} {what}: upload it again")


def _documents_of(database: Database, sha256: str) -> list[str]:
    query = (
        select(DocumentRow.name, CollectionRow.name)
        .join(VersionRow, VersionRow.document_id == DocumentRow.id)
        .join(CollectionRow, CollectionRow.id == DocumentRow.collection_id)
        .where(VersionRow.sha256 == sha256)
        .distinct()
    )
    with database.read_scope() as session:
        return [f"{name!r} in {collection!r}" for name, collection in session.execute(query)]
