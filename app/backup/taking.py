"""Take a backup while the service runs: uploaded files first, then one snapshot of every row.

Reads the truth and holds nobody up. Either a whole backup is there at the end, or none.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

import migrations
from app.adapters import live_files
from app.backup.errors import BackupUnsettledError
from app.backup.folder import BackupFolder
from app.backup.manifest import Column, Manifest, Table
from app.backup.rows import dump_table, tables_in_order, write_parts
from app.backup.trained import Trained, copy_adapters, copy_named
from core.blobs import BlobStore
from core.database import Database
from core.deletions import DeletionLog
from core.errors import BlobDamagedError, BlobMissingError
from core.ids import new_id
from core.tables import ManifestRow, VersionRow, now

_MAX_SNAPSHOTS: Final = 5
_DOCUMENT_COLUMNS: Final = (Column("sha256", "text"), Column("num_bytes", "integer"))


@dataclass(frozen=True, slots=True)
class Source:
    """What is backed up. `deletions` is the log in the data folder."""

    database: Database
    blobs: BlobStore
    deletions: DeletionLog
    settings: Mapping[str, str]
    models: tuple[str, ...]
    trained: Trained


@dataclass(frozen=True, slots=True)
class Taken:
    """A backup that was taken. `num_new` are objects that no earlier backup had."""

    manifest: Manifest
    num_new: int
    num_removed: int
    seconds: float


class _OutdatedSnapshotError(Exception):
    """Bytes that the snapshot names went meanwhile, with their document: take another one."""


def take_backup(source: Source, folder: BackupFolder, *, keep: int | None = None) -> Taken:
    """Add a backup to the folder; then leave only the newest `keep`, where a number is given.

    Files and rows that an earlier backup holds are not written again. Raises
    `AlreadyRunningError` where another backup is under way, `BackupUnsettledError` and OSError;
    then no backup was added, and the next one goes on from what was copied.
    """
    started_s = time.monotonic()
    with folder.writing():
        folder.clear_incoming()
        source.deletions.follow(source.database)
        known = folder.list_objects()
        num_before = len(known)
        # most of the copying holds no snapshot open
        _copy_ahead(source, folder, known)
        manifest = _copy_settled(source, folder, known)
        # before the manifest: a backup without what was deleted until then would be a trap
        folder.deletions.follow(source.database)
        folder.keep(manifest)
        num_removed = 0 if keep is None else folder.prune(keep=keep)
    seconds = time.monotonic() - started_s
    return Taken(manifest, len(known) - num_before, num_removed, seconds)


def _copy_ahead(source: Source, folder: BackupFolder, known: set[str]) -> None:
    with source.database.read_scope() as session:
        wanted = _documents(session)
    for sha256 in wanted:
        if sha256 not in known:
            # what is not there is looked at again, under the snapshot
            _copy(source.blobs, folder, sha256, known)


def _copy_settled(source: Source, folder: BackupFolder, known: set[str]) -> Manifest:
    for _ in range(_MAX_SNAPSHOTS):
        try:
            with source.database.read_scope() as session:
                return _copy_snapshot(session, source, folder, known)
        except _OutdatedSnapshotError:
            continue
    raise BackupUnsettledError(
        f"documents were deleted while they were copied, {_MAX_SNAPSHOTS} times: try again"
    )


def _copy_snapshot(
    session: Session, source: Source, folder: BackupFolder, known: set[str]
) -> Manifest:
    wanted = _documents(session)
    generation = session.scalars(select(ManifestRow.generation)).one()
    lost = tuple(_copy_rest(source, folder, wanted, known))
    adapters, lost_adapters = copy_adapters(session, source.trained, folder, known)
    _check_still_wanted(source, lost_adapters)
    documents = Table(
        "documents",
        _DOCUMENT_COLUMNS,
        write_parts(
            _DOCUMENT_COLUMNS,
            ((sha256, size) for sha256, size in wanted.items() if sha256 not in lost),
            folder,
            key_places=(0,),
            known=known,
        ),
    )
    return Manifest(
        id=new_id("bak"),
        created_at=now(),
        version=version("cimiento"),
        revision=migrations.current_revision(),
        database=session.get_bind().dialect.name,
        generation=generation,
        tables=tuple(dump_table(session, each, folder, known=known) for each in tables_in_order()),
        documents=documents,
        lost=(*lost, *sorted(lost_adapters)),
        files=(*adapters, *copy_named(source.trained, folder, known)),
        settings=dict(source.settings),
        models=source.models,
    )


def _documents(session: Session) -> dict[str, int]:
    query = select(VersionRow.sha256, VersionRow.num_bytes).distinct().order_by(VersionRow.sha256)
    return {row.sha256: row.num_bytes for row in session.execute(query)}


def _copy_rest(
    source: Source, folder: BackupFolder, wanted: Iterable[str], known: set[str]
) -> Iterable[str]:
    """Copy what the folder lacks; gives what cannot be, although a document still needs it."""
    for sha256 in wanted:
        if sha256 in known or _copy(source.blobs, folder, sha256, known):
            continue
        with source.database.read_scope() as later:
            is_live = select(VersionRow.id).where(VersionRow.sha256 == sha256).limit(1)
            if later.scalar(is_live) is None:
                raise _OutdatedSnapshotError
        # the same bytes may have been uploaded again in between
        if not _copy(source.blobs, folder, sha256, known):
            yield sha256


def _copy(blobs: BlobStore, folder: BackupFolder, sha256: str, known: set[str]) -> bool:
    try:
        known.add(folder.put_bytes(blobs.read(sha256)))
    except (BlobMissingError, BlobDamagedError):
        return False
    return True


def _check_still_wanted(source: Source, lost: set[str]) -> None:
    with source.database.read_scope() as later:
        if lost - live_files(later):
            raise _OutdatedSnapshotError
