"""What tests of runs share: a kill, a full disk, a command line, and what two runs left."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from generation.training.journal import read_rows
from generation.training.loop import StepDone
from generation.training.options import StepOptions, flag
from tests.unit.generation.training.texts import silent


class KilledError(Exception):
    """The process is gone: nothing after this step happens."""


def kill_at(step: int) -> Callable[[StepDone], None]:
    def watch(done: StepDone) -> None:
        if done.run.step == step:
            raise KilledError

    return watch


def run_until_killed(
    train: Callable[..., object], options: StepOptions, *, saved_after: int, killed_at: int
) -> None:
    """Leave the folder as if the last checkpoint had been the one after step `saved_after`."""
    checkpoint = options.out / "training" / "checkpoint.pt"
    aside = options.out.with_suffix(".aside")
    kill = kill_at(killed_at)

    def watch(done: StepDone) -> None:
        if done.run.step == saved_after + 1:
            shutil.copy(checkpoint, aside)
        kill(done)

    every_step = replace(options, checkpoint_minutes=1e-9)
    with pytest.raises(KilledError):
        train(every_step, report=silent, watch=watch)
    shutil.copy(aside, checkpoint)


def fill_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on there is no room for a checkpoint."""

    def fail(content: object, stream: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", fail)


def arguments_of(options: StepOptions) -> list[str]:
    """The command line that says the same, switches left out."""
    said = {
        name: value
        for name, value in options.to_json().items()
        if value is not None and not isinstance(value, bool)
    }
    return [word for name, value in said.items() for word in (flag(name), str(value))]


def losses_of(folder: Path) -> list[tuple[int, float, int, float | None]]:
    """Of each step: its number, its loss, the tokens so far, and the metric where it was judged."""
    rows = read_rows(folder / "loss.csv")
    return [(row.step, row.loss, row.tokens, row.validation_metric) for row in rows]


def assert_same_weights(left: Path, right: Path) -> None:
    """Both files hold the same, to the bit."""
    first, second = load_file(left), load_file(right)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
