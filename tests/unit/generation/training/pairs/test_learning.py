"""Both tasks teach; killed and resumed they give the same; what cannot work is said in one line."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from generation.engine.adapters import load_adapter
from generation.local_model import load_model
from generation.training.errors import DataError, DivergedError, OptionError
from generation.training.pairs import preference, reward
from generation.training.pairs.preference import prefer
from generation.training.pairs.reward import train_reward
from generation.training.pairs.reward_model import load_reward_file
from tests.unit.generation.training.pairs.making import (
    make_pair_rows,
    preference_options,
    reward_options,
)
from tests.unit.generation.training.reader.making import write_base, write_rows
from tests.unit.generation.training.runs import (
    arguments_of,
    assert_same_weights,
    fill_disk,
    losses_of,
    run_until_killed,
)
from tests.unit.generation.training.texts import silent

TASKS: dict[str, tuple[Callable[..., Any], Callable[..., Any], str]] = {
    "preference": (preference_options, prefer, "adapter.safetensors"),
    "reward": (reward_options, train_reward, "reward.safetensors"),
}
both = pytest.mark.parametrize("task", TASKS)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    write_base(folder)
    write_rows(folder / "examples.jsonl", make_pair_rows(8))
    return folder


@pytest.fixture
def folder(prepared: Path, tmp_path: Path) -> Path:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    return tmp_path


@both
def test_a_run_lowers_the_loss_raises_the_metric_and_writes_what_it_did(
    folder: Path, task: str
) -> None:
    build, teach, result = TASKS[task]
    outcome = teach(build(folder, steps=24, rounds=1.0, validations=4), report=silent)
    assert (outcome.before.accuracy.value, outcome.before.margin) == (0.5, 0.0)
    assert outcome.after.accuracy.value > 0.9
    assert outcome.after.accuracy.low < outcome.after.accuracy.value
    assert outcome.after.loss < 0.8 * outcome.before.loss
    out = folder / "learnt"
    card, data = (out / "README.md").read_text(), (out / "DATA.md").read_text()
    for fact in ("rank 4", "`direct@1`", f"cimiento train {task}", "--steps 24", "95% interval"):
        assert fact in card
    assert "24 pairs are left (en 24)" in data
    assert "| yards | unknown | 24 |" in data
    assert (out / "metric.svg").read_text().startswith("<svg")
    assert "nats per pair" in (out / "loss.svg").read_text()
    assert (out / result).exists()


def test_a_preference_is_served_like_any_adapter(folder: Path) -> None:
    prefer(preference_options(folder), report=silent)
    path = folder / "learnt" / "adapter.safetensors"
    plain = load_model(folder / "base", precision="float32")
    merged = load_model(folder / "base", precision="float32", adapter=path)
    assert load_adapter(path).prompt == "direct@1"
    assert merged.sha256 != plain.sha256
    name = "blocks.0.attention.qkv.weight"
    assert not torch.equal(merged.model.get_parameter(name), plain.model.get_parameter(name))


def test_what_is_learnt_on_top_of_an_adapter_belongs_to_the_same_base(folder: Path) -> None:
    prefer(preference_options(folder, out=folder / "first"), report=silent)
    first = folder / "first" / "adapter.safetensors"
    for task in ("preference", "reward"):
        build, teach, _ = TASKS[task]
        outcome = teach(build(folder, adapter=first, out=folder / task), report=silent)
        assert outcome.before.margin == 0.0  # what it began from is what it is compared with
        assert "| begun from | `adapter.safetensors` |" in (folder / task / "README.md").read_text()
    plain = load_adapter(first)
    adapter = load_adapter(folder / "preference" / "adapter.safetensors")
    beside, _head = load_reward_file(folder / "reward" / "reward.safetensors")
    assert {adapter.base_sha256, beside.base_sha256} == {plain.base_sha256}
    name = "blocks.0.attention.qkv.weight"
    assert adapter.factors[name].a.shape[0] == beside.factors[name].a.shape[0] == 8

    reward_file = folder / "reward" / "reward.safetensors"
    wrong = preference_options(folder, adapter=reward_file, out=folder / "no")
    with pytest.raises(OptionError, match=r"--adapter: .* is no file of ours"):
        prefer(wrong, report=silent)
    other = preference_options(folder, adapter=first, prompt="few_shot", out=folder / "few")
    with pytest.raises(OptionError, match="--adapter: it learnt with the prompt direct@1"):
        prefer(other, report=silent)


@both
def test_a_run_that_is_killed_and_resumed_equals_one_that_was_not(folder: Path, task: str) -> None:
    build, teach, result = TASKS[task]
    options = build(folder, steps=6, validations=3, out=folder / "whole")
    teach(options, report=silent)
    killed = replace(options, out=folder / "killed", resume=True)
    run_until_killed(teach, killed, saved_after=2, killed_at=5)
    (folder / "examples.jsonl").unlink()  # what was encoded is gone on from
    teach(killed, report=silent)
    assert losses_of(folder / "whole") == losses_of(folder / "killed")
    assert_same_weights(*(folder / name / result for name in ("whole", "killed")))


@both
def test_a_loss_that_is_no_number_stops_the_run_and_keeps_its_checkpoint(
    folder: Path, task: str
) -> None:
    build, teach, result = TASKS[task]
    options = build(folder, lr=1e30, steps=50, checkpoint_minutes=1e-9, validations=1)
    with pytest.raises(DivergedError, match="try a lower --lr"):
        teach(options, report=silent)
    assert (folder / "learnt" / "training" / "checkpoint.pt").exists()
    assert not (folder / "learnt" / result).exists()


def test_keeping_less_of_a_pass_changes_no_number(folder: Path) -> None:
    for name, recompute in (("plain", False), ("recomputed", True)):
        options = preference_options(folder, out=folder / name, recompute=recompute, steps=3)
        prefer(options, report=silent)
    plain, recomputed = (losses_of(folder / name) for name in ("plain", "recomputed"))
    assert [row[1] for row in recomputed] == pytest.approx([row[1] for row in plain], rel=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"examples": Path("none.jsonl")}, "No such file"),
        ({"base": Path("none.gguf")}, "--base: .*none.gguf"),
        ({"adapter": Path("none.safetensors")}, "--adapter: there is no adapter"),
        ({"prompt": "poetry"}, "--prompt: there is no prompt .poetry."),
        ({"window": 70}, "--window: 24 pairs are longer than 70 tokens"),
        ({"window": 4096}, "--window: the model reads 1024 tokens"),
        ({"held_out": 0.01}, "too few passages to learn from some and to judge by others"),
    ],
)
def test_what_cannot_work_is_said_before_a_step(
    folder: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises((OptionError, DataError, OSError), match=message):
        train_reward(reward_options(folder, **changes), report=silent)


def test_options_out_of_range_are_refused_by_name() -> None:
    with pytest.raises(OptionError, match="--beta"):
        preference_options(Path(), beta=0.0)
    with pytest.raises(OptionError, match="--rank"):
        reward_options(Path(), rank=0)


def test_a_full_disk_stops_a_run_in_one_line_with_the_last_checkpoint_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train_reward(reward_options(folder), report=silent)
    checkpoint = folder / "learnt" / "training" / "checkpoint.pt"
    before = checkpoint.read_bytes()
    fill_disk(monkeypatch)
    arguments = [*arguments_of(reward_options(folder, steps=6)), "--resume"]
    assert reward.main(arguments) == 1
    assert "error: [Errno 28] No space left on device" in capsys.readouterr().err
    assert checkpoint.read_bytes() == before
    assert preference.main([*arguments, "--beta", "-1"]) == 2
