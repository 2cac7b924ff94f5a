"""A house with documents, a folder of backups, and an empty place beside them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.backup.folder import BackupFolder
from app.backup.restoring import Place, Restored, read_deletions, restore
from app.backup.taking import Source, Taken, take_backup
from app.backup.trained import Trained
from app.wiring import build_lexical
from core.blobs import FolderBlobStore
from core.database import Database
from core.deletions import LOG_NAME, DeletionLog
from core.verify import Premises, VerifyReport, verify
from ingestion.store import Store
from tests.unit.ingestion.house import House


@dataclass
class Drill:
    """Takes backups of a house and restores them elsewhere."""

    house: House
    folder: BackupFolder
    root: Path
    open_place: Callable[[str], Place]

    def source(self) -> Source:
        """The house, as what is backed up."""
        return source_of(self.house.data_dir, self.house.store)

    def take(self, *, keep: int | None = None) -> Taken:
        """Back the house up."""
        return take_backup(self.source(), self.folder, keep=keep)

    def restore(
        self, place: Place, backup_id: str | None = None, *, with_deleted: bool = False
    ) -> Restored:
        """Restore the newest backup, or the one that is named."""
        return restore(
            self.folder,
            self.folder.get(backup_id),
            place,
            deletions=read_deletions(self.folder, place, []),
            with_deleted=with_deleted,
        )


def source_of(data_dir: Path, store: Store) -> Source:
    """A data folder, as what is backed up."""
    trained = Trained(data_dir, data_dir / "models", {})
    return Source(store.database, store.blobs, DeletionLog(data_dir / LOG_NAME), {}, (), trained)


def place_of(data_dir: Path, database: Database) -> Place:
    """A data folder with its rows there, to be restored into."""
    store = Store.below(data_dir, database, FolderBlobStore(data_dir / "blobs"))
    return Place(data_dir, store, build_lexical(data_dir, database), data_dir / "models")


def check(place: Place) -> VerifyReport:
    """What `cimiento verify` says of rows, bytes and both indexes."""
    store = place.store
    premises = Premises(place.database, store.blobs, store.segments, alone=True)
    return verify(premises, repair=False, checks=[place.lexical.check])


@pytest.fixture
def drill(house: House, tmp_path: Path) -> Iterator[Drill]:
    """Backups of an empty house."""
    with ExitStack() as stack:

        def open_place(name: str) -> Place:
            data_dir = tmp_path / name
            database = Database(f"sqlite:///{data_dir / 'cimiento.db'}")
            stack.callback(database.close)
            return place_of(data_dir, database)

        yield Drill(house, BackupFolder(tmp_path / "backups"), tmp_path, open_place)
