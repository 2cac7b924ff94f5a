"""A backup holds everything once, and what is restored from it is what was there."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import inspect, select, text

from app.backup.errors import (
    BackupDamagedError,
    BackupNotFoundError,
    DeletionsUnknownError,
    NotEmptyError,
)
from app.backup.folder import BackupFolder
from app.backup.manifest import Column, Manifest, Part, Table
from app.backup.restoring import Place, read_deletions
from app.backup.rows import LEFT_OUT, tables_in_order, write_parts
from core.database import Database
from core.deletions import LOG_NAME, DeletionLog
from core.errors import AlreadyRunningError, BlobMissingError
from core.generation import read_generation
from core.tables import Base, DocumentRow
from ingestion.documents import Documents
from ingestion.uploads import OnConflict
from tests.unit.app.backup.conftest import Drill, check
from tests.unit.ingestion.conftest import house, migrated
from tests.unit.ingestion.house import EVERYTHING
from tests.unit.test_migrations import move

__all__ = ["house", "migrated"]


def rows_of(place: Place | Drill) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table that a backup holds, but for those that tell of segments.

    In one order: a table has none.
    """
    database = place.database if isinstance(place, Place) else place.house.database
    with database.read_scope() as session:
        return {
            table.name: sorted((tuple(row) for row in session.execute(select(table))), key=repr)
            for table in tables_in_order()
            if table.name not in ("segments", "deleted_chunks")
        }


def names_in(place: Place) -> list[str]:
    with place.database.read_scope() as session:
        return sorted(session.scalars(select(DocumentRow.name)))


def test_a_backup_holds_every_table_but_those_of_processes_and_sessions(drill: Drill) -> None:
    in_database = set(inspect(drill.house.database.engine).get_table_names()) - {"alembic_version"}
    assert {table.name for table in tables_in_order()} == in_database - LEFT_OUT
    assert set(Base.metadata.tables) == in_database
    assert in_database >= LEFT_OUT


def test_what_is_restored_is_what_was_there(drill: Drill) -> None:
    for number in range(5):
        drill.house.add(f"{number}.md", f"# River {number}\nIt ends in the sea.".encode())
    drill.house.documents.delete(drill.house.add("gone.txt", b"secret").document_id, EVERYTHING)
    before = read_generation(drill.house.database)
    taken = drill.take()
    place = drill.open_place("elsewhere")
    done = drill.restore(place)
    assert (done.num_documents, done.deleted_again) == (5, {})
    assert rows_of(place) == rows_of(drill)
    assert read_generation(place.database) == before == taken.manifest.generation
    assert check(place).findings == ()
    assert not place.mark.exists()


def test_the_next_backup_writes_only_what_is_new(drill: Drill) -> None:
    for number in range(3):
        drill.house.add(f"{number}.txt", f"River {number} ends in the sea.".encode())
    assert drill.take().num_new > 3
    assert drill.take().num_new == 0
    drill.house.add("3.txt", b"River 3 ends in the sea.")
    new = drill.take().num_new
    # the file, and one part of each table that changed
    assert 1 < new <= 10


@pytest.mark.parametrize("change", ["added", "deleted", "changed"])
def test_a_row_more_or_less_costs_one_part_of_a_large_table(tmp_path: Path, change: str) -> None:
    folder = BackupFolder(tmp_path)
    columns = (Column("id", "integer"), Column("text", "text"))
    rows = [(number, f"River {number}") for number in range(2000)]
    changed = {
        "added": [*rows[:900], (900_000, "More"), *rows[900:]],
        "deleted": rows[:900] + rows[901:],
        "changed": [*rows[:900], (900, "Brook"), *rows[901:]],
    }
    known: set[str] = set()
    before = write_parts(columns, rows, folder, key_places=[0], known=known)
    after = write_parts(columns, changed[change], folder, key_places=[0], known=known)
    assert len(before) > 4
    assert len(set(after) - set(before)) == 1


def test_what_was_deleted_after_a_backup_does_not_come_back(drill: Drill) -> None:
    kept = drill.house.add("kept.txt", b"The river rises in the hills.")
    gone = drill.house.add("gone.txt", b"The word is zebrawood.")
    old = drill.take().manifest.id
    drill.house.documents.delete(gone.document_id, EVERYTHING)
    drill.take()
    place = drill.open_place("elsewhere")
    assert drill.restore(place, old).deleted_again == {"document": 1}
    assert names_in(place) == ["kept.txt"]
    assert list(place.store.blobs.list()) == [kept.sha256]
    report = check(place)
    assert report.findings == ()
    assert (report.checked["vectors"], report.checked["lexical"]) == (1, 1)


def test_versions_and_collections_that_were_deleted_stay_away_too(drill: Drill) -> None:
    house = drill.house
    accepted = house.add("a.txt", b"Old words.")
    house.add("a.txt", b"New words.", on_conflict=OnConflict.VERSION)
    house.collections.create("notes")
    noted = house.collections.get("notes", EVERYTHING).id
    house.ingest(house.upload("b.txt", b"Words of a note.", collection_id=noted))
    old = drill.take().manifest.id
    house.documents.delete_version(accepted.document_id, 1, EVERYTHING)
    house.collections.delete("notes", EVERYTHING)
    drill.take()
    place = drill.open_place("elsewhere")
    assert drill.restore(place, old).deleted_again == {"version": 1, "collection": 1}
    assert names_in(place) == ["a.txt"]
    (document,) = Documents(place.store).list(EVERYTHING)
    assert [each.number for each in Documents(place.store).versions(document.id, EVERYTHING)] == [2]
    assert check(place).findings == ()


def test_deleted_documents_come_back_when_asked_for_and_then_stay(drill: Drill) -> None:
    gone = drill.house.add("gone.txt", b"The word is zebrawood.")
    old = drill.take().manifest.id
    drill.house.documents.delete(gone.document_id, EVERYTHING)
    drill.take()
    place = drill.open_place("elsewhere")
    assert drill.restore(place, old, with_deleted=True).returned == {"document": 1}
    assert names_in(place) == ["gone.txt"]
    assert check(place).findings == ()
    # the log of the place says so, and wins over the older line of the backups' folder
    drill.folder.deletions.add(DeletionLog(place.data_dir / LOG_NAME).read())
    third = drill.open_place("third")
    assert drill.restore(third, old).deleted_again == {}
    assert names_in(third) == ["gone.txt"]


def test_a_log_that_is_not_there_is_no_permission(drill: Drill) -> None:
    drill.house.add("a.txt", b"Words.")
    drill.take()
    (drill.root / "backups" / LOG_NAME).unlink()
    place = drill.open_place("elsewhere")
    with pytest.raises(DeletionsUnknownError):
        read_deletions(drill.folder, place, [])
    assert read_deletions(drill.folder, place, [], needed=False) == {}


def test_a_backup_that_was_cut_off_is_none(drill: Drill, monkeypatch: pytest.MonkeyPatch) -> None:
    drill.house.add("a.txt", b"Words.")

    def fail(_self: BackupFolder, _manifest: object) -> None:
        raise OSError(28, "no space left on device")

    with monkeypatch.context() as context:
        context.setattr(BackupFolder, "keep", fail)
        with pytest.raises(OSError, match="no space"):
            drill.take()
    with pytest.raises(BackupNotFoundError):
        drill.folder.get(None)
    # what was copied need not be copied again
    assert drill.take().num_new == 0
    assert drill.restore(drill.open_place("elsewhere")).num_documents == 1


def test_a_changed_byte_is_found_before_anything_is_written(drill: Drill) -> None:
    accepted = drill.house.add("a.txt", b"Words.")
    drill.take()
    drill.folder.path(accepted.sha256).write_bytes(b"Wards.")
    place = drill.open_place("elsewhere")
    with pytest.raises(BackupDamagedError, match=accepted.sha256):
        drill.restore(place)
    assert not inspect(place.database.engine).get_table_names()
    assert not list(place.store.blobs.list())


def test_a_changed_manifest_is_no_backup(drill: Drill) -> None:
    backup_id = drill.take().manifest.id
    path = drill.root / "backups" / "backups" / f"{backup_id}.json"
    path.write_text(path.read_text().replace('"generation": ', '"generation": 1'))
    with pytest.raises(BackupDamagedError, match="hash"):
        drill.folder.get(None)


def test_only_an_empty_place_is_restored_into(drill: Drill) -> None:
    drill.house.add("a.txt", b"Words.")
    drill.take()
    place = drill.open_place("elsewhere")
    drill.restore(place)
    before = rows_of(place)
    with pytest.raises(NotEmptyError):
        drill.restore(place)
    assert rows_of(place) == before


@pytest.mark.parametrize("step", ["_load_rows", "_rebuild_index"])
def test_a_restore_that_was_cut_off_is_done_again(
    drill: Drill, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    drill.house.add("a.txt", b"Words.")
    drill.take()
    place = drill.open_place("elsewhere")

    def fail(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "no space left on device")

    with monkeypatch.context() as context:
        context.setattr(f"app.backup.restoring.{step}", fail)
        with pytest.raises(OSError, match="no space"):
            drill.restore(place)
    drill.restore(place)
    assert names_in(place) == ["a.txt"]
    assert check(place).findings == ()


def test_old_backups_go_with_what_only_they_named(drill: Drill) -> None:
    gone = drill.house.add("gone.txt", b"The word is zebrawood.")
    drill.house.add("kept.txt", b"Words.")
    drill.take()
    drill.house.documents.delete(gone.document_id, EVERYTHING)
    taken = drill.take(keep=1)
    assert taken.num_removed == 1
    assert drill.folder.list_ids() == [taken.manifest.id]
    assert gone.sha256 not in drill.folder.list_objects()
    assert drill.folder.check(set(drill.folder.objects_of(taken.manifest))) > 1
    assert drill.folder.list_objects() == set(drill.folder.objects_of(taken.manifest))


def test_bytes_that_are_lost_do_not_stop_the_rest(drill: Drill) -> None:
    kept, lost = (drill.house.add(f"{n}.txt", f"Words {n}.".encode()) for n in range(2))
    drill.house.blobs.path(lost.sha256).write_bytes(b"rotten")
    taken = drill.take()
    assert taken.manifest.lost == (lost.sha256,)
    place = drill.open_place("elsewhere")
    assert drill.restore(place).num_documents == 1
    assert [(each.kind, each.subject) for each in check(place).findings] == [
        ("missing_blob", lost.sha256)
    ]
    assert list(place.store.blobs.list()) == [kept.sha256]


def test_a_document_that_goes_while_it_is_copied_is_in_no_backup(
    drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    drill.house.add("kept.txt", b"The river rises in the hills.")
    gone = drill.house.add("gone.txt", b"The word is zebrawood.")
    find = drill.house.blobs.read
    looks = 0

    def delete_first(sha256: str) -> Iterator[bytes]:
        nonlocal looks
        if sha256 == gone.sha256:
            looks += 1
            if looks == 1:
                raise BlobMissingError
            # the snapshot has it, and its bytes go
            drill.house.documents.delete(gone.document_id, EVERYTHING)
        return find(sha256)

    monkeypatch.setattr(drill.house.blobs, "read", delete_first)
    assert drill.take().manifest.documents.num_rows == 1
    assert looks == 2
    place = drill.open_place("elsewhere")
    drill.restore(place)
    assert names_in(place) == ["kept.txt"]
    assert check(place).findings == ()


def test_two_backups_into_one_folder_do_not_meet(drill: Drill) -> None:
    with drill.folder.writing(), pytest.raises(AlreadyRunningError):
        drill.take()


OLD_REVISION = "0022"


def as_of(revision: str, drill: Drill, manifest: Manifest) -> Manifest:
    """The backup as the code of an older schema would have written it."""
    old = Database(f"sqlite:///{drill.root / 'old.db'}")
    move(old, revision)
    there = inspect(old.engine)
    columns = {
        table: {each["name"] for each in there.get_columns(table)}
        for table in there.get_table_names()
    }
    old.close()
    tables = tuple(
        without_columns(drill.folder, each, columns[each.name])
        for each in manifest.tables
        if each.name in columns
    )
    return replace(manifest, id="bak_zzz", revision=revision, tables=tables)


def without_columns(folder: BackupFolder, table: Table, kept: set[str]) -> Table:
    """A table without the columns that came later."""
    places = [place for place, each in enumerate(table.columns) if each.name in kept]
    lines = [json.loads(line) for part in table.parts for line in folder.read_lines(part)]
    body = b"".join(json.dumps([row[place] for place in places]).encode() + b"\n" for row in lines)
    parts = (Part(folder.put_rows(body, known=set()), len(lines)),) if lines else ()
    return Table(table.name, tuple(table.columns[place] for place in places), parts)


def test_an_older_backup_goes_through_the_migrations_since(drill: Drill) -> None:
    drill.house.add("a.txt", b"Words.")
    taken = drill.take().manifest
    older = as_of(OLD_REVISION, drill, taken)
    assert {table.name for table in taken.tables} - {table.name for table in older.tables}
    drill.folder.keep(older)
    place = drill.open_place("elsewhere")
    drill.restore(place, "bak_zzz")
    with place.database.read_scope() as session:
        revision = session.scalar(text("SELECT version_num FROM alembic_version"))
    assert revision == taken.revision
    assert names_in(place) == ["a.txt"]
    assert check(place).findings == ()


def test_backups_under_load_are_each_of_one_moment(drill: Drill) -> None:
    stopping = threading.Event()

    def work() -> None:
        number = 0
        while not stopping.is_set():
            added = drill.house.add(f"{number}.txt", f"River {number} ends in the sea.".encode())
            if number % 3 == 0:
                drill.house.documents.delete(added.document_id, EVERYTHING)
            number += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        ids = [drill.take().manifest.id for _ in range(3)]
    finally:
        stopping.set()
        thread.join()
    for backup_id in ids:
        place = drill.open_place(backup_id)
        drill.restore(place, backup_id)
        assert check(place).findings == ()
