"""`cimiento index`: shows what there is, merges, rebuilds; needs no model."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import main
from tests.library import Library

RUNNER = CliRunner()


@pytest.fixture
def filled(library: Library, monkeypatch: pytest.MonkeyPatch) -> Library:
    """Eight documents and a deleted one, in the data folder of the settings."""
    for number in range(8):
        library.publish(library.default_collection(), f"{number}.txt", [f"river {number}"])
    library.delete(library.publish(library.default_collection(), "gone.txt", ["secret"]))
    monkeypatch.setenv("CIMIENTO_DATA_DIR", str(library.root.parent))
    monkeypatch.setenv("CIMIENTO_DATABASE__URL", str(library.database.engine.url))
    return library


def run(*arguments: str) -> object:
    result = RUNNER.invoke(main, ["index", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def status() -> tuple[int, int, int]:
    found = run("status")
    assert isinstance(found, dict)
    return len(found["segments"]), found["num_vectors"], found["num_deleted"]


def test_merge_drops_deleted_vectors_and_says_so(filled: Library) -> None:
    assert status() == (9, 9, 1)

    assert run("merge") == [{"num_old": 9, "num_new": 1, "num_vectors": 8}]

    assert status() == (1, 8, 0)
    assert run("merge") == []


def test_damaged_segment_is_shown_and_rebuilt(filled: Library) -> None:
    damaged: Path = min(filled.root.iterdir())
    (damaged / "vectors.faiss").write_bytes(b"")

    shown = RUNNER.invoke(main, ["index", "status"])
    assert f"{damaged.name}  DAMAGED" in shown.stdout
    assert run("rebuild") == [{"num_old": 9, "num_new": 1, "num_vectors": 8}]
    assert "DAMAGED" not in RUNNER.invoke(main, ["index", "status"]).stdout
