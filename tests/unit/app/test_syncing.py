"""A collection follows a folder: what changed there changes here, and nothing else does."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from app.adding import Added
from app.syncing import Action, EmptyFolderError, Folder, Step, apply_sync, plan_sync
from core.access import Access
from ingestion.documents import DocumentFilter
from tests.unit.app.house import POOL, House

EVERYTHING = Access.to_everything()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with two documents, and what every folder has besides."""
    root = tmp_path / "shared drive"
    write(root, "pool.txt", POOL)
    write(root, "inner/sauna.md", "# Sauna\n\nThe sauna is hot.")
    write(root, ".git/config", "hidden")
    write(root, ".hidden.txt", "hidden")
    (root / "program.bin").write_bytes(b"\x7fELF\x02\x01\x01\x00\x00\x00\x00")
    return root


def write(root: Path, name: str, text: str) -> None:
    """A file below the folder."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def folder_of(house: House, root: Path, collection: str = "default") -> Folder:
    """The folder as the command line makes it."""
    return Folder(root, house.services.collections.get(collection, EVERYTHING))


def sync(
    house: House, root: Path, *, allow_empty: bool = False, meanwhile: Callable[[], object] = int
) -> dict[str, Action]:
    """A whole run; something may happen between the plan and the deed. What became of each name."""
    folder = folder_of(house, root)
    steps = plan_sync(house.services, folder, allow_empty=allow_empty)
    meanwhile()
    return by_name(apply_sync(house.services, folder, steps, see_through=partial(work, house)))


def work(house: House, added: Sequence[Added]) -> list[Added]:
    """Work off what was uploaded, here and now."""
    house.ingest()
    jobs = [house.services.jobs.get(each.job.id, EVERYTHING) for each in added if each.job]
    done = {job.id: job for job in jobs}
    return [
        replace(each, job=done[each.job.id], error=done[each.job.id].error) if each.job else each
        for each in added
    ]


def by_name(steps: list[Step]) -> dict[str, Action]:
    """What is done, by name."""
    return {step.name: step.action for step in steps}


def names(house: House) -> set[str]:
    """The documents of `default` that are searchable."""
    where = DocumentFilter(collection="default", state="searchable")
    return {each.name for each in house.services.documents.list(EVERYTHING, where=where)}


def search(house: House, query: str) -> list[str]:
    """Names of the documents that a search finds."""
    found = house.client.post("/v1/search", json={"query": query}).json()["passages"]
    return [passage["document_name"] for passage in found]


def test_a_folder_is_added_and_then_left_alone(house: House, root: Path) -> None:
    first = sync(house, root)
    assert first == {
        "pool.txt": "added",
        "inner/sauna.md": "added",
        ".git": "passed_over",
        ".hidden.txt": "passed_over",
        "program.bin": "passed_over",
    }
    assert names(house) == {"pool.txt", "inner/sauna.md"}
    assert Counter(sync(house, root).values()) == {"unchanged": 2, "passed_over": 3}


def test_what_changed_is_updated_and_what_went_is_removed(house: House, root: Path) -> None:
    sync(house, root)
    write(root, "pool.txt", "The swimming pool is closed.")
    (root / "inner" / "sauna.md").unlink()
    write(root, "inner/gym.txt", "The gym opens at six.")
    done = sync(house, root)
    assert (done["pool.txt"], done["inner/sauna.md"], done["inner/gym.txt"]) == (
        "updated",
        "removed",
        "added",
    )
    assert names(house) == {"pool.txt", "inner/gym.txt"}
    assert "inner/sauna.md" not in search(house, "Is the sauna hot?")
    (pool,) = [
        passage["text"]
        for passage in house.client.post("/v1/search", json={"query": "pool"}).json()["passages"]
        if passage["document_name"] == "pool.txt"
    ]
    assert pool == "The swimming pool is closed."


def test_a_plan_changes_nothing(house: House, root: Path) -> None:
    planned = by_name(plan_sync(house.services, folder_of(house, root), allow_empty=False))
    assert planned["pool.txt"] == "added"
    assert house.services.documents.list(EVERYTHING) == []


def test_what_somebody_else_uploaded_stays(house: House, root: Path) -> None:
    house.add("notes.txt", "Notes of somebody else.")
    house.add("pool.txt", "The pool of somebody else.")
    done = sync(house, root)
    assert (done["pool.txt"], done["inner/sauna.md"]) == ("kept", "added")
    (root / "pool.txt").unlink()
    assert "pool.txt" not in sync(house, root)
    assert names(house) == {"notes.txt", "pool.txt", "inner/sauna.md"}


@pytest.mark.parametrize("text", [POOL, "Other words about the pool."])
def test_what_somebody_uploads_under_a_synchronised_name_is_theirs(
    house: House, root: Path, text: str
) -> None:
    sync(house, root)
    house.add("pool.txt", text)
    (root / "pool.txt").unlink()
    assert "pool.txt" not in sync(house, root)
    assert "pool.txt" in names(house)


def test_a_name_taken_between_plan_and_deed_is_kept(house: House, root: Path) -> None:
    sync(house, root)
    write(root, "pool.txt", "The swimming pool is closed.")
    (root / "inner" / "sauna.md").unlink()
    write(root, "sauna.md", "# Sauna")

    def take() -> None:
        house.add("pool.txt", "Theirs.")
        house.add("sauna.md", "Theirs as well.")

    done = sync(house, root, meanwhile=take)
    assert (done["pool.txt"], done["sauna.md"]) == ("kept", "kept")
    assert "Theirs." in house.client.post("/v1/search", json={"query": "Theirs"}).text


def test_two_folders_do_not_remove_each_others_documents(house: House, root: Path) -> None:
    other = root.parent / "other"
    write(other, "gym.txt", "The gym opens at six.")
    sync(house, root)
    sync(house, other)
    assert names(house) == {"pool.txt", "inner/sauna.md", "gym.txt"}
    assert "gym.txt" not in sync(house, root)


def test_an_empty_folder_removes_nothing_unless_told_to(house: House, root: Path) -> None:
    sync(house, root)
    for path in (root / "pool.txt", root / "inner" / "sauna.md"):
        path.unlink()
    with pytest.raises(EmptyFolderError, match="the 2 documents"):
        sync(house, root)
    assert len(names(house)) == 2
    assert sync(house, root, allow_empty=True)["pool.txt"] == "removed"
    assert names(house) == set()


def test_links_out_of_the_folder_are_not_followed(house: House, root: Path) -> None:
    write(root.parent, "secret/secret.txt", "The password is swordfish.")
    (root / "link.txt").symlink_to(root.parent / "secret" / "secret.txt")
    (root / "folder").symlink_to(root.parent / "secret")
    (root / "loop").symlink_to(root)
    (root / "same.txt").symlink_to(root / "pool.txt")
    done = sync(house, root)
    assert {done[name] for name in ("link.txt", "folder", "loop")} == {"passed_over"}
    assert done["same.txt"] == "added"
    assert "swordfish" not in house.client.post("/v1/search", json={"query": "password"}).text


def test_a_document_whose_file_cannot_be_read_any_more_stays(house: House, root: Path) -> None:
    sync(house, root)
    (root / "pool.txt").write_bytes(b"\x7fELF\x02\x01\x01\x00\x00\x00\x00")
    (root / "inner" / "sauna.md").write_bytes(b"")
    done = sync(house, root, allow_empty=True)
    assert (done["pool.txt"], done["inner/sauna.md"]) == ("passed_over", "failed")
    assert names(house) == {"pool.txt", "inner/sauna.md"}


def test_nothing_is_removed_where_a_part_of_the_folder_cannot_be_listed(
    house: House, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(house, root)
    listing = os.scandir

    def scan(path: str) -> object:
        if str(path).endswith("inner"):
            raise PermissionError(13, "Permission denied", str(path))
        return listing(path)

    # a test that runs as root may list everything
    monkeypatch.setattr(os, "scandir", scan)
    done = sync(house, root)
    assert (done["inner"], done["inner/sauna.md"]) == ("failed", "kept")
    assert names(house) == {"pool.txt", "inner/sauna.md"}


def test_a_moved_file_is_found_under_one_of_its_names_all_the_time(
    house: House, root: Path
) -> None:
    sync(house, root)
    (root / "pool.txt").rename(root / "inner" / "pool.txt")
    folder = folder_of(house, root)
    steps = plan_sync(house.services, folder, allow_empty=False)
    seen: list[set[str]] = []

    def look(added: Sequence[Added]) -> list[Added]:
        done = work(house, added)
        seen.append(names(house))
        return done

    apply_sync(house.services, folder, steps, see_through=look)
    assert seen == [{"pool.txt", "inner/pool.txt", "inner/sauna.md"}]
    assert names(house) == {"inner/pool.txt", "inner/sauna.md"}


def test_a_run_that_was_cut_short_is_finished_by_the_next(house: House, root: Path) -> None:
    folder = folder_of(house, root)

    def die(_added: Sequence[Added]) -> list[Added]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        apply_sync(
            house.services,
            folder,
            plan_sync(house.services, folder, allow_empty=False),
            see_through=die,
        )
    assert names(house) == set()
    assert Counter(sync(house, root).values())[Action.UNCHANGED] == 2
    assert names(house) == {"pool.txt", "inner/sauna.md"}


def test_a_file_that_failed_is_not_tried_again_unless_it_changed(house: House, root: Path) -> None:
    write(root, "blank.txt", "  \n \n")
    assert sync(house, root)["blank.txt"] == "failed"
    assert sync(house, root)["blank.txt"] == "failed"
    (document,) = [
        each for each in house.services.documents.list(EVERYTHING) if each.name == "blank.txt"
    ]
    assert document.newest.number == 1
    write(root, "blank.txt", "Words.")
    assert sync(house, root)["blank.txt"] == "updated"
