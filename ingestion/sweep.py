"""Remove what a crash left behind: of work, and of uploads and deletions that were cut off."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import select

from core.errors import AlreadyRunningError
from core.ids import SegmentId, VersionId
from core.merging import Workshop
from core.segment_files import PUBLISHING_S
from core.segments import delete_segment
from core.tables import JobRow, SegmentRow, VersionRow
from ingestion.attempts import OPEN_STATES
from ingestion.purge import release_blobs
from ingestion.store import Store

_DELETED_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Swept:
    """What was removed. Every number is a count."""

    segments: int
    staged: int
    blobs: int


def sweep(store: Store) -> Swept:
    """Remove segments that no manifest names, staged work of no open job, blobs of no version.

    Only for who is `WorkLock.alone`: nobody works on documents meanwhile. What is being uploaded at
    this moment is not touched: its bytes join the store in the same transaction as their row.
    """
    return Swept(_sweep_segments(store), _sweep_staging(store), sweep_blobs(store))


def _sweep_segments(store: Store) -> int:
    try:
        with Workshop(store.database, store.segments).lock():
            return _sweep_unnamed(store)
    except AlreadyRunningError:
        return 0  # a merge writes its segment before the manifest names it


def _sweep_unnamed(store: Store) -> int:
    found = store.segments.list_idle()
    with store.database.read_scope() as session:
        named = {SegmentId(name) for name in session.scalars(select(SegmentRow.id))}
    for segment_id in found - named:
        delete_segment(store.segments.root, segment_id)
    return len(found - named)


def sweep_published(store: Store) -> int:
    """Remove segments from the store of other machines that no manifest names, and from this one.

    Returns how many went from the store. At any time: what came into it within the last hour may be
    a publication that is under way.
    """
    shared = store.segments.shared
    if shared is None:
        return 0
    old = set(shared.list_older(PUBLISHING_S))
    with store.database.read_scope() as session:
        named = {SegmentId(row.id): row.sha256 for row in session.scalars(select(SegmentRow))}
    old -= set(named.values())
    shared.delete(old)
    store.segments.evict(named, known=())
    return len(old)


def _sweep_staging(store: Store) -> int:
    staged = store.staging.list()
    with store.database.read_scope() as session:
        running = select(JobRow.id).where(JobRow.state.in_(OPEN_STATES))
        wanted = {VersionId(name) for name in session.scalars(running)}
    for version_id in staged - wanted:
        store.staging.remove(version_id)
    return len(staged - wanted)


def sweep_deleted(store: Store) -> int:
    """Remove staged work of versions that are no more, at any time. Returns of how many.

    A worker that was killed while it staged something for a version just deleted left it, and as
    long as others work on nobody is alone. What is younger than a minute is left: an upload stages
    its password before its row is there, and who removes what it staged itself is quicker.
    """
    gone = []
    with store.database.read_scope() as session:
        for version_id in store.staging.list():
            is_old = (store.staging.idle_s(version_id) or 0.0) > _DELETED_S
            if is_old and session.get(VersionRow, version_id) is None:
                gone.append(version_id)
    for version_id in gone:
        store.staging.remove(version_id)
    return len(gone)


def sweep_blobs(store: Store) -> int:
    """Remove blobs of no version, at any time: between bytes and rows there may have been a crash.

    Returns how many.
    """
    with store.database.read_scope() as session:
        known = set(session.scalars(select(VersionRow.sha256)))
    # `release_blobs` looks again, under the lock: an upload may have come in between.
    return release_blobs(store, [name for name in store.blobs.list() if name not in known])
