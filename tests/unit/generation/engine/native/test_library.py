"""The step is compiled once, found again, and done without where it cannot be had."""

import ctypes
from pathlib import Path

import pytest

from generation.engine.native import library as built
from generation.engine.native.library import load_library


@pytest.mark.usefixtures("library")
def test_what_was_compiled_once_is_opened_again(compiled: Path) -> None:
    (file,) = compiled.iterdir()
    made = file.stat().st_mtime_ns
    load_library.cache_clear()
    again = load_library(compiled)
    assert again is not None
    assert [path.stat().st_mtime_ns for path in compiled.iterdir()] == [made]


def test_without_a_compiler_there_is_no_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert load_library(tmp_path / "compiled") is None


@pytest.mark.usefixtures("library")
def test_a_compiler_that_fails_is_done_without_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    compiler = tmp_path / "bin" / "g++"
    compiler.parent.mkdir()
    compiler.write_text("#!/bin/sh\necho 'no such instruction' >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", str(compiler.parent))
    folder = tmp_path / "compiled"
    assert load_library(folder) is None
    assert "no such instruction" in caplog.text
    assert not folder.exists() or not list(folder.iterdir())


@pytest.mark.usefixtures("library")
def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    taken = tmp_path / "compiled"
    taken.write_text("a file, not a folder")
    assert load_library(taken) is None


@pytest.mark.usefixtures("library")
def test_a_damaged_library_is_compiled_again(compiled: Path, tmp_path: Path) -> None:
    (file,) = compiled.iterdir()
    damaged = tmp_path / file.name
    damaged.write_bytes(file.read_bytes()[:1000])
    assert load_library(tmp_path) is not None
    assert damaged.stat().st_size > 1000 or len(list(tmp_path.iterdir())) > 1


@pytest.mark.usefixtures("library")
def test_structures_have_the_same_bytes_on_both_sides(compiled: Path) -> None:
    (file,) = compiled.iterdir()
    sizes = (ctypes.c_int64 * 4)()
    ctypes.CDLL(str(file)).layout_sizes(sizes)
    structures = (built.Matrix, built.Layer, built.Model, built.Batch)
    assert list(sizes) == [ctypes.sizeof(kind) for kind in structures]
