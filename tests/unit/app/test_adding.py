"""Adding files without HTTP: what is found in folders, what is refused, what is waited for."""

from pathlib import Path

import pytest

from app.adding import Added, find_files, is_foreign, see_through, upload
from core.access import Access
from core.ids import CollectionId
from ingestion.workflow import IngestionWorker
from tests.unit.app.house import MAX_UPLOAD_BYTES, POOL, House
from tests.unit.ingestion.office_files import build_mail


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder such as people have."""
    root = tmp_path / "papers"
    (root / "inner").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / "pool.txt").write_text(POOL)
    (root / "inner" / "empty.txt").write_text("")
    (root / "inner" / "program.bin").write_bytes(b"\x7fELF\x02\x01\x01" + b"\x00" * 64)
    (root / ".git" / "config").write_text("hidden")
    (root / ".hidden").write_text("hidden")
    return root


def add(house: House, path: Path) -> Added:
    """Upload one file into `default`."""
    default: CollectionId = house.services.collections.get("default", Access.to_everything()).id
    return upload(house.services, path, default)


def refuse_to_work() -> IngestionWorker:
    """Stands for a worker that must not be needed."""
    raise AssertionError("a worker was built")


def test_hidden_files_are_left_out(folder: Path) -> None:
    names = [name for _, name in find_files([folder, folder / ".hidden"])]
    assert names == ["inner/empty.txt", "inner/program.bin", "pool.txt", ".hidden"]


def test_two_files_of_one_name_are_two_documents(house: House, folder: Path) -> None:
    (folder / "inner" / "pool.txt").write_text(POOL + " Another one.")
    default = house.services.collections.get("default", Access.to_everything()).id
    added = [
        upload(house.services, path, default, name=name)
        for path, name in find_files([folder])
        if path.name == "pool.txt"
    ]
    house.ingest()
    names = {item["name"] for item in house.client.get("/v1/documents").json()["items"]}
    assert len(added) == 2
    assert names == {"pool.txt", "inner/pool.txt"}


def test_every_file_has_its_own_outcome(house: House, folder: Path) -> None:
    outcomes = {path.name: add(house, path) for path, _ in find_files([folder])}
    assert outcomes["pool.txt"].state == "queued"
    assert outcomes["empty.txt"].state == "failed"
    assert is_foreign(outcomes["program.bin"])
    assert not is_foreign(outcomes["empty.txt"])


def test_a_file_over_the_limit_or_out_of_reach_is_an_outcome(house: House, folder: Path) -> None:
    (folder / "big.txt").write_bytes(b"a " * MAX_UPLOAD_BYTES)
    error = add(house, folder / "big.txt").error
    assert error is not None
    assert error.code == "document_too_large"
    error = add(house, folder / "gone.txt").error
    assert error is not None
    assert error.code == "unreadable_file"


def test_work_of_another_process_is_waited_for(house: House, folder: Path) -> None:
    added = add(house, folder / "pool.txt")
    house.services.workers.join()
    done = see_through(house.services, [added], refuse_to_work, show=lambda _added: house.ingest())
    assert [item.state for item in done] == ["searchable"]


def test_what_is_attached_is_seen_through_as_well(house: House, folder: Path) -> None:
    inner = build_mail("And here.", [("b.txt", b"more words")])
    attached = [("a.txt", b"some words"), ("in.eml", inner)]
    (folder / "mail.eml").write_bytes(build_mail("See the files.", attached))
    added = add(house, folder / "mail.eml")
    house.services.workers.join()
    done = see_through(house.services, [added], refuse_to_work, show=lambda _added: house.ingest())
    assert [(item.path, item.state, item.is_attachment) for item in done] == [
        (folder / "mail.eml", "searchable", False),
        (folder / "mail.eml" / "a.txt", "searchable", True),
        (folder / "mail.eml" / "in.eml", "searchable", True),
        (folder / "mail.eml" / "in.eml" / "b.txt", "searchable", True),
    ]


def test_what_an_interrupted_command_left_attached_is_seen_through(
    house: House, folder: Path
) -> None:
    (folder / "mail.eml").write_bytes(build_mail("See it.", [("a.txt", b"some words")]))
    add(house, folder / "mail.eml")
    house.ingest()
    again = add(house, folder / "mail.eml")
    house.services.workers.join()
    done = see_through(house.services, [again], refuse_to_work, show=lambda _added: house.ingest())
    assert [item.state for item in done] == ["searchable", "searchable"]


def test_a_document_deleted_meanwhile_ends_the_wait(house: House, folder: Path) -> None:
    added = add(house, folder / "pool.txt")
    assert added.accepted is not None
    house.client.delete(f"/v1/documents/{added.accepted.document_id}")
    house.services.workers.join()
    done = see_through(house.services, [added], refuse_to_work, show=lambda _added: None)
    assert [item.state for item in done] == ["failed"]


def test_nothing_open_needs_no_worker(house: House, folder: Path) -> None:
    add(house, folder / "pool.txt")
    house.ingest()
    again = add(house, folder / "pool.txt")
    assert again.accepted is not None
    assert again.accepted.deduplicated
    done = see_through(house.services, [again], refuse_to_work, show=lambda _added: None)
    assert [item.state for item in done] == ["searchable"]
