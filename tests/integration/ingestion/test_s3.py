"""Ingestion, deletion and backups over a bucket, with the real parts and a fake embedder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.backup.errors import NotEmptyError
from app.backup.folder import BackupFolder
from app.backup.restoring import Place, read_deletions, restore
from app.backup.taking import Taken, take_backup
from app.wiring import build_lexical
from core.blobs import is_whole
from core.database import Database
from core.errors import BlobStoreUnavailableError
from core.s3_blobs import S3BlobStore
from core.verify import Premises, check_published, verify
from ingestion.collections import Collections
from ingestion.documents import Documents
from ingestion.jobs import Jobs
from ingestion.store import Store
from ingestion.sweep import sweep_blobs
from ingestion.uploads import OnConflict
from tests.s3 import S3Server, serving_s3
from tests.unit.app.backup.conftest import source_of
from tests.unit.ingestion.house import EVERYTHING, House

_ALWAYS = 10_000
WORDS = b"The word is zebrawood."


@pytest.fixture
def server(tmp_path: Path) -> Iterator[S3Server]:
    """The bucket."""
    with serving_s3(tmp_path / "s3") as server:
        yield server


def store_in(server: S3Server, data_dir: Path, database: Database) -> Store:
    """Where documents and segments of a data folder are: a part of the bucket with its name."""
    blobs, published = (
        S3BlobStore(server.place(f"{data_dir.name}/{part}"), data_dir / f"{part}-received")
        for part in ("blobs", "index")
    )
    return Store.below(data_dir, database, blobs, published)


@pytest.fixture
def house(server: S3Server, tmp_path: Path) -> Iterator[House]:
    """A house whose documents are in the bucket."""
    house = House(tmp_path / "house")
    house.store = store_in(server, house.data_dir, house.database)
    house.documents = Documents(house.store)
    house.collections = Collections(house.store)
    house.jobs = Jobs(house.store)
    yield house
    house.database.close()


def findings(store: Store) -> list[str]:
    """What `cimiento verify` finds, by kind."""
    premises = Premises(store.database, store.blobs, store.segments, alone=True)
    checked = check_published(store.database, store.segments, repair=False)
    report = verify(premises, repair=False)
    return [each.kind for each in (*report.findings, *checked.findings)]


def objects(server: S3Server, part: str) -> list[Path]:
    """The objects below a prefix."""
    of_part = (path for path in server.files() if f"/{part}/" in str(path))
    # the server keeps what it knows of each beside them
    return [path for path in of_part if ".nanio-meta" not in path.parts]


def test_a_document_goes_into_the_bucket_and_leaves_it(house: House, server: S3Server) -> None:
    accepted = house.add("a.txt", WORDS)
    assert house.searchable_text() == WORDS.decode()
    content = house.documents.content(accepted.document_id, EVERYTHING, number=None)
    assert content.whole() == WORDS
    assert b"".join(content.read(4, 8)) == b"word"
    assert len(objects(server, "blobs")) == 1
    assert len(objects(server, "index")) == 1
    assert findings(house.store) == []
    assert house.documents.delete(accepted.document_id, EVERYTHING).blobs == 1
    assert objects(server, "blobs") == []
    assert findings(house.store) == []


def test_an_upload_that_is_not_wanted_leaves_no_bytes(house: House, server: S3Server) -> None:
    house.add("a.txt", WORDS)
    skipped = house.upload("a.txt", b"other words", on_conflict=OnConflict.SKIP)
    assert skipped.skipped
    assert len(objects(server, "blobs")) == 1


def test_an_upload_while_the_store_is_away_leaves_no_row(house: House, server: S3Server) -> None:
    server.refusals = _ALWAYS
    with pytest.raises(BlobStoreUnavailableError):
        house.upload("a.txt", WORDS)
    server.refusals = 0
    assert house.documents.list(EVERYTHING) == []
    assert server.files() == []
    assert not house.upload("a.txt", WORDS).deduplicated


def test_a_deletion_holds_while_the_store_is_away(house: House, server: S3Server) -> None:
    accepted = house.add("a.txt", WORDS)
    server.refusals = _ALWAYS
    assert house.documents.delete(accepted.document_id, EVERYTHING).blobs == 0
    assert house.searchable_text() == ""
    server.refusals = 0
    assert findings(house.store) == ["orphan_blob"]
    assert sweep_blobs(house.store) == 1
    assert findings(house.store) == []


def test_bytes_that_changed_in_the_bucket_are_found(house: House, server: S3Server) -> None:
    accepted = house.add("a.txt", WORDS)
    (kept,) = (path for path in objects(server, "blobs") if path.name == accepted.sha256)
    kept.write_bytes(b"rotten" * 4)
    assert findings(house.store) == ["blob"]
    house.upload("a.txt", WORDS)
    assert findings(house.store) == []


def test_a_backup_of_a_bucket_is_restored_into_another(
    house: House, server: S3Server, tmp_path: Path
) -> None:
    kept = house.add("kept.txt", WORDS)
    gone = house.add("gone.txt", b"Another word.")
    folder = BackupFolder(tmp_path / "backups")
    taken: Taken = take_backup(source_of(house.data_dir, house.store), folder)
    assert taken.manifest.lost == ()
    house.documents.delete(gone.document_id, EVERYTHING)
    with pytest.raises(NotEmptyError):
        _restore(folder, taken, _place(server, house.data_dir, tmp_path / "new"))

    take_backup(source_of(house.data_dir, house.store), folder)
    place = _place(server, tmp_path / "elsewhere", tmp_path / "elsewhere")
    _restore(folder, taken, place)

    assert is_whole(place.store.blobs, kept.sha256)
    assert not is_whole(place.store.blobs, gone.sha256)
    assert findings(place.store) == []
    # neither takes anything from the other
    assert findings(house.store) == []
    place.database.close()


def _place(server: S3Server, of_bucket: Path, data_dir: Path) -> Place:
    database = Database(f"sqlite:///{data_dir / 'cimiento.db'}")
    store = store_in(server, of_bucket, database)
    store = Store.below(data_dir, database, store.blobs, store.segments.shared)
    return Place(data_dir, store, build_lexical(data_dir, database), data_dir / "models")


def _restore(folder: BackupFolder, taken: Taken, place: Place) -> None:
    try:
        restore(folder, taken.manifest, place, deletions=read_deletions(folder, place, []))
    except NotEmptyError:
        place.database.close()
        raise
