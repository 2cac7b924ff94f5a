"""What is on disk is whole: the earlier state or the new one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

import pytest
import torch

from core.durable import replace_file, replace_text
from generation.training.checkpoint import RunState, load_checkpoint, save_checkpoint
from generation.training.errors import CheckpointError

CPU = torch.device("cpu")


def test_a_write_that_fails_half_way_leaves_the_earlier_file_and_nothing_else(
    tmp_path: Path,
) -> None:
    path = tmp_path / "state"
    replace_text(path, "earlier")

    def fail(stream: BinaryIO) -> None:
        stream.write(b"half of the new")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        replace_file(path, fail)
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


_WRITER = """
import pathlib, sys, time
from core.durable import replace_file

def write(stream):
    for _ in range(1000):
        stream.write(b"new" * 10_000)
        stream.flush()
        print("writing", flush=True)
        time.sleep(0.01)

replace_file(pathlib.Path(sys.argv[1]), write)
"""


def test_a_kill_in_the_middle_of_a_write_leaves_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "state"
    save_checkpoint(path, RunState(step=3), {"model": {}}, {"seed": 0})
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    with writer, writer.stdout:
        assert writer.stdout.readline() == "writing\n"
        time.sleep(0.05)
        os.kill(writer.pid, signal.SIGKILL)
    assert load_checkpoint(path, device=CPU)["run"] == RunState(step=3)

    save_checkpoint(path, RunState(step=4), {"model": {}}, {"seed": 0})
    assert load_checkpoint(path, device=CPU)["run"].step == 4
    assert list(tmp_path.iterdir()) == [path]  # what the killed writer left was written over


def test_random_numbers_go_on_where_they_were(tmp_path: Path) -> None:
    torch.manual_seed(7)
    save_checkpoint(tmp_path / "state", RunState(), {}, {})
    expected = torch.rand(4)
    torch.manual_seed(8)
    load_checkpoint(tmp_path / "state", device=CPU)
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize("cut", [0, 1, 200, -10])
def test_a_damaged_checkpoint_is_refused_by_its_path(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "state"
    save_checkpoint(path, RunState(), {"model": {"w": torch.ones(100)}}, {})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(CheckpointError, match="state is"):
        load_checkpoint(path, device=CPU)


def test_a_checkpoint_that_holds_code_is_refused(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[object, ...]:
            return (print, ("owned",))

    torch.save({"run": Hostile()}, tmp_path / "state")
    with pytest.raises(CheckpointError, match="is not a checkpoint"):
        load_checkpoint(tmp_path / "state", device=CPU)
