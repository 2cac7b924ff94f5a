"""Put a backup into an empty place: check every byte, then rows in one transaction, then the index.

What was deleted after the backup is deleted again before anything is committed. A restore that was
killed leaves a place without rows, and is begun again, or one with all of them, and goes on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, select, update
from sqlalchemy.orm import Session

import migrations
from app.backup.deleting import delete_again, find_returned, remember
from app.backup.errors import BackupDamagedError, DeletionsUnknownError, NotEmptyError
from app.backup.folder import BackupFolder
from app.backup.manifest import Manifest
from app.backup.mark import MARK
from app.backup.rows import advance_sequences, load_table
from app.backup.trained import put_back
from core.database import Database
from core.deletions import LOG_NAME, Deletion, DeletionLog, list_deletions, newest
from core.durable import replace_text
from core.merging import Workshop, rebuild_all
from core.segments import list_segments
from core.tables import ManifestRow, SegmentRow, now
from ingestion.store import Store
from ingestion.sweep import sweep_blobs
from retrieval.lexical.follower import LexicalFollower

SETTINGS_NAME: Final = "restored-settings.env"
# Nobody else works in a place that is being restored.
_WAIT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a backup is restored into."""

    data_dir: Path
    store: Store
    lexical: LexicalFollower
    models_dir: Path

    @property
    def database(self) -> Database:
        """The truth of the place."""
        return self.store.database

    @property
    def mark(self) -> Path:
        """A file that is there from the first byte of a restore to its end: the backup's id."""
        return self.data_dir / MARK


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored. `deleted_again` counts by kind; with_deleted, `returned` does."""

    num_documents: int
    num_rows: int
    deleted_again: dict[str, int]
    returned: dict[str, int]


def read_deletions(
    folder: BackupFolder, place: Place, files: Sequence[Path], *, needed: bool = True
) -> dict[str, Deletion]:
    """What was deleted as far as is known: by the backups' folder, by the place, by these files.

    Raises `DeletionsUnknownError` where it is needed and neither the folder nor a file has it.
    """
    logs = [DeletionLog(path) for path in files]
    found: list[Deletion] = []
    try:
        found += folder.deletions.read()
    except FileNotFoundError:
        if needed and not logs:
            raise DeletionsUnknownError(
                f"{LOG_NAME} is not beside the backups, and so nothing says what was deleted since "
                "this one: give a copy with --deletions, or take it back as it was with "
                "--with-deleted"
            ) from None
    for log in logs:
        found += log.read()
    own = place.data_dir / LOG_NAME
    if own.exists():
        found += DeletionLog(own).read()
    return newest(found)


def restore(
    folder: BackupFolder,
    manifest: Manifest,
    place: Place,
    *,
    deletions: dict[str, Deletion],
    with_deleted: bool = False,
) -> Restored:
    """Make the place what the backup says, without what was deleted since unless `with_deleted`.

    Raises `NotEmptyError`, `BackupDamagedError`, `NotRestorableError`; then the place has no rows.
    """
    goes_on = _check_empty(place, manifest)
    folder.check(set(folder.objects_of(manifest)))
    replace_text(place.mark, manifest.id)
    num_documents = _copy_documents(folder, manifest, place)
    _copy_files(folder, manifest, place)
    deleted: dict[str, int] = {}
    returned: dict[str, int] = {}
    if not goes_on:
        with place.database.write_connection() as connection:
            _load_rows(connection, folder, manifest)
            with Session(connection) as session:
                # their blobs are in the store of the service that was backed up
                session.execute(update(SegmentRow).values(sha256=None))
                if with_deleted:
                    returned = _take_back(session, deletions)
                else:
                    deleted = delete_again(session, _gone(deletions))
                    remember(session, deletions.values())
                # the transaction is the connection's: this only sends what is left to send
                session.commit()
            connection.commit()
    _rebuild_index(place, keep_generation=not goes_on)
    sweep_blobs(place.store)
    DeletionLog(place.data_dir / LOG_NAME).follow(place.database)
    place.mark.unlink()
    num_rows = sum(table.num_rows for table in manifest.tables)
    return Restored(num_documents, num_rows, deleted, returned)


def _check_empty(place: Place, manifest: Manifest) -> bool:
    """Whether the rows are in already, from a restore of this backup that was cut off."""
    has_rows = bool(inspect(place.database.engine).get_table_names())
    if place.mark.exists():
        if not has_rows or place.mark.read_text() == manifest.id:
            return has_rows
        raise NotEmptyError(f"{place.data_dir} holds another backup, half restored")
    if has_rows:
        raise NotEmptyError("the database has tables: restore into an empty one")
    filled = [
        name
        for name, is_filled in (
            ("blobs", any(place.store.blobs.list())),
            ("segments", bool(list_segments(place.store.segments.root))),
            ("published segments", _has_published(place.store)),
            ("jobs.db", (place.data_dir / "jobs.db").exists()),
        )
        if is_filled
    ]
    if filled:
        raise NotEmptyError(f"{place.data_dir} is not empty: it has {', '.join(filled)}")
    return False


def _has_published(store: Store) -> bool:
    shared = store.segments.shared
    return shared is not None and any(True for _ in shared.list())


def _copy_documents(folder: BackupFolder, manifest: Manifest, place: Place) -> int:
    there = set(place.store.blobs.list())
    num_documents = 0
    for sha256 in folder.documents_of(manifest.documents):
        num_documents += 1
        if sha256 in there:
            continue
        with place.store.blobs.begin() as blob:
            blob.write_file(folder.path(sha256))
            if blob.sha256 != sha256:
                raise BackupDamagedError(f"the object {sha256} of the backup changed meanwhile")
            blob.keep()
    return num_documents


def _copy_files(folder: BackupFolder, manifest: Manifest, place: Place) -> None:
    named = put_back(folder, manifest, data_dir=place.data_dir, models_dir=place.models_dir)
    settings = {**manifest.settings, **named}
    lines = [f"{name}={value}\n" for name, value in sorted(settings.items())]
    replace_text(place.data_dir / SETTINGS_NAME, "".join(lines))


def _load_rows(connection: Connection, folder: BackupFolder, manifest: Manifest) -> None:
    migrations.upgrade_within(connection, manifest.revision)
    for table in manifest.tables:
        load_table(connection, table, folder)
    advance_sequences(connection, manifest.tables)
    migrations.upgrade_within(connection)


def _gone(deletions: dict[str, Deletion]) -> Iterable[Deletion]:
    return (each for each in deletions.values() if each.is_gone)


def _take_back(session: Session, deletions: dict[str, Deletion]) -> dict[str, int]:
    """Note that what was deleted since is wanted again, so that it stays from now on."""
    moment = now()
    wanted = newest([*deletions.values(), *list_deletions(session)])
    returned: dict[str, int] = {}
    for kind, ids in list(find_returned(session, _gone(wanted))):
        returned[kind] = returned.get(kind, 0) + len(ids)
        for subject in ids:
            wanted[subject] = replace(wanted[subject], restored_at=moment)
    remember(session, wanted.values())
    return returned


def _rebuild_index(place: Place, *, keep_generation: bool) -> None:
    shop = Workshop(place.database, place.store.segments)
    with place.database.read_scope() as session:
        generation = session.scalars(select(ManifestRow.generation)).one()
    with shop.lock(wait_s=_WAIT_S):
        rebuild_all(shop)
    if keep_generation:
        # The same vectors as at that generation, and nobody has read this place yet: receipts
        # of equal answers stay equal.
        with place.database.session_scope() as session:
            session.execute(update(ManifestRow).values(generation=generation))
    place.lexical.rebuild(max_wait_s=_WAIT_S)
