"""`cimiento backup`, `backups` and `restore`: what they say, and how they end."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.backup.mark import MARK
from app.backup.settings import chosen_settings
from app.cli import main
from core.settings import load_settings
from tests.databases import environment_of
from tests.unit.ingestion.conftest import house, migrated
from tests.unit.ingestion.house import EVERYTHING, House

__all__ = ["house", "migrated"]


def run(data_dir: Path, *arguments: object, migrated: bool = True) -> Result:
    words = [str(each) for each in arguments]
    return CliRunner().invoke(main, words, env=environment_of(data_dir, migrated=migrated))


def test_the_commands_take_list_check_and_restore(house: House, tmp_path: Path) -> None:
    gone = house.add("gone.txt", b"The word is zebrawood.")
    house.add("kept.txt", b"The river rises in the hills.")
    folder = tmp_path / "backups"
    taken = run(house.data_dir, "backup", folder, "--json")
    assert taken.exit_code == 0, taken.output
    backup_id = json.loads(taken.stdout)["id"]
    house.documents.delete(gone.document_id, EVERYTHING)
    assert "1 uploaded files" in run(house.data_dir, "backup", folder, "--keep", 2).stdout

    listed = run(house.data_dir, "backups", folder, "--check")
    assert listed.exit_code == 0
    assert backup_id in listed.stdout
    assert "objects are what they were" in listed.stdout

    elsewhere = tmp_path / "elsewhere"
    done = run(elsewhere, "restore", folder, "--backup", backup_id, migrated=False)
    assert done.exit_code == 0, done.output
    assert "deleted again what was deleted since: 1 of kind document" in done.stdout
    assert "everything agrees" in done.stdout
    again = run(elsewhere, "restore", folder)
    assert again.exit_code == 1
    assert "has tables" in again.stderr


def test_what_was_lost_before_ends_with_1_and_is_told(house: House, tmp_path: Path) -> None:
    lost = house.add("lost.txt", b"The word is zebrawood.")
    house.store.blobs.delete([lost.sha256])
    result = run(house.data_dir, "backup", tmp_path / "backups")
    assert result.exit_code == 1
    assert "1 uploaded files are lost" in result.stderr


def test_a_folder_without_backups_says_so(tmp_path: Path) -> None:
    for command in ("backups", "restore"):
        result = run(tmp_path / "data", command, tmp_path / "nothing")
        assert result.exit_code == 1
        assert "there is no backup" in result.stderr
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(
    "url", ["http://me:hunter2@worker:8421", "http://a:8421, http://me:hunter2@b:8421"]
)
def test_chosen_settings_hold_no_secret_and_no_place(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    for name, value in {
        "CIMIENTO_DATA_DIR": "somewhere",
        "CIMIENTO_DATABASE__URL": "postgresql://cimiento:hunter2@db/cimiento",
        "CIMIENTO_BLOBS__URL": "s3://bucket/house",
        "CIMIENTO_BLOBS__ENDPOINT": "https://s3.example.org",
        "CIMIENTO_BLOBS__ACCESS_KEY": "hunter2",
        "CIMIENTO_BLOBS__SECRET_KEY": "hunter2",
        "CIMIENTO_GENERATION__API_KEY": "hunter2",
        "CIMIENTO_GENERATION__URL": url,
        "CIMIENTO_RETRIEVAL__TOP_K": "5",
        "CIMIENTO_GENERATION__LIKELIHOOD": "true",
    }.items():
        monkeypatch.setenv(name, value)
    assert chosen_settings(load_settings()) == {
        "CIMIENTO_RETRIEVAL__TOP_K": "5",
        "CIMIENTO_GENERATION__LIKELIHOOD": "True",
    }


@pytest.mark.parametrize(
    "command",
    [
        ("db", "upgrade"),
        ("db", "compact"),
        ("sign-in",),
        ("worker", "ingest"),
        ("backup", "backups"),
    ],
)
def test_nothing_works_in_a_place_that_is_half_restored(
    house: House, command: tuple[str, ...]
) -> None:
    (house.data_dir / MARK).write_text("bak_1")
    result = run(house.data_dir, *command)
    assert result.exit_code == 1
    assert "half restored, from bak_1: run the same 'cimiento restore' again" in result.stderr
