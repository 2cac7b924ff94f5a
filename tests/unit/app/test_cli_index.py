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
    assert run("rebuild") == {
        "dense": [{"num_old": 9, "num_new": 1, "num_vectors": 8}],
        "lexical": {"num_chunks": 8},
    }
    assert "DAMAGED" not in RUNNER.invoke(main, ["index", "status"]).stdout


def lexical_status() -> dict[str, object]:
    found = run("status")
    assert isinstance(found, dict)
    lexical: dict[str, object] = found["lexical"]
    return lexical


def test_status_says_how_far_the_lexical_index_has_followed(filled: Library) -> None:
    assert lexical_status() == {
        "generation": None,
        "num_chunks": 0,
        "num_live": 8,
        "is_current": False,
        "error": None,
    }

    run("rebuild")
    followed = lexical_status()
    filled.publish(filled.default_collection(), "late.txt", ["late"])
    behind = lexical_status()

    assert (followed["num_chunks"], followed["is_current"]) == (8, True)
    assert behind == {**followed, "num_live": 9, "is_current": False}


def test_damaged_lexical_index_is_shown_and_rebuilt(filled: Library) -> None:
    run("rebuild")
    damaged = next((filled.root.parent / "lexical").rglob("meta.json"))
    damaged.write_text("{")

    assert "lexical  DAMAGED" in RUNNER.invoke(main, ["index", "status"]).stdout
    run("rebuild")

    assert lexical_status()["is_current"] is True
    assert len(filled.lexical().current().chunk_ids()) == 8
