"""The store from which other machines take segments, against the manifest."""

from collections.abc import Iterator

from sqlalchemy import select, update

from core.blobs import BlobStore, is_whole
from core.database import Database
from core.merging import Workshop, mend, publish_missing
from core.segment_files import PUBLISHING_S, SegmentFiles
from core.tables import SegmentRow
from core.verify.report import Checked, Finding


def check_published(database: Database, files: SegmentFiles, *, repair: bool) -> Checked:
    """Every segment that should be in the store is there, byte for byte, and no other is.

    Repairing publishes anew, which needs the segment on this machine or in the rows.
    """
    shared = files.shared
    if shared is None:
        return Checked("published", 0)
    with database.read_scope() as session:
        query = select(SegmentRow.sha256).where(SegmentRow.sha256.is_not(None))
        before = {sha256 for sha256 in session.scalars(query) if sha256 is not None}
    damaged = sorted(sha256 for sha256 in before if not is_whole(shared, sha256))
    orphans = set(shared.list_older(PUBLISHING_S))
    with database.read_scope() as session:
        # replaced while it was looked at? Then nothing is wrong.
        named = {sha256 for sha256 in session.scalars(query) if sha256 is not None}
    damaged = [sha256 for sha256 in damaged if sha256 in named]
    if repair and damaged:
        _publish_anew(database, files, damaged)
    findings = (
        *_tell_of_damaged(damaged, repair=repair),
        *_tell_of_orphans(shared, orphans - named, repair=repair),
    )
    return Checked("published", len(before), findings)


def _publish_anew(database: Database, files: SegmentFiles, damaged: list[str]) -> None:
    shop = Workshop(database, files)
    with shop.lock(wait_s=PUBLISHING_S):
        with database.session_scope() as session:
            gone = update(SegmentRow).where(SegmentRow.sha256.in_(damaged)).values(sha256=None)
            session.execute(gone)
        # what is not on this machine either is made of the rows
        while mend(shop) is not None:
            pass
        publish_missing(shop)


def _tell_of_damaged(damaged: list[str], *, repair: bool) -> Iterator[Finding]:
    for sha256 in damaged:
        detail = "other machines cannot fetch this segment: it is missing or damaged in the store"
        yield Finding("published_segment", sha256, detail, mended=repair)


def _tell_of_orphans(shared: BlobStore, orphans: set[str], *, repair: bool) -> Iterator[Finding]:
    if repair:
        shared.delete(orphans)
    for sha256 in sorted(orphans):
        yield Finding("orphan_published", sha256, "no manifest names this blob", mended=repair)
