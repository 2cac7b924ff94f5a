"""A run on a folder gives a model folder; interrupted and resumed, it gives the same one."""

import json
import shutil
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from generation.training.base import main, pretrain
from generation.training.checkpoint import RunState, load_checkpoint
from generation.training.errors import CheckpointError, DataError, DivergedError, OptionError
from generation.training.journal import read_rows
from generation.training.loop import Plan, StepDone, run_steps
from generation.training.packing import PackedBatch
from generation.training.trainer import StepResult
from tests.unit.generation.training.runs import (
    KilledError,
    assert_same_weights,
    kill_at,
    losses_of,
    run_until_killed,
)
from tests.unit.generation.training.texts import (
    prepare_folder,
    silent,
    tiny_options,
    write_text,
    write_tokenizer,
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare_folder(tmp_path_factory.mktemp("run"))


@pytest.fixture
def folder(prepared: Path, tmp_path: Path) -> Path:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    return tmp_path


def assert_same_model(left: Path, right: Path) -> None:
    assert_same_weights(left / "model.safetensors", right / "model.safetensors")


def test_a_run_writes_model_tokenizer_losses_and_card(folder: Path) -> None:
    outcome = pretrain(tiny_options(folder, steps=30, lr=1e-2), report=silent)
    model = folder / "model"
    config = json.loads((model / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["num_hidden_layers"] == 2
    assert (model / "tokenizer.json").read_bytes() == (
        folder / "tokenizer" / "tokenizer.json"
    ).read_bytes()
    weights = load_file(model / "model.safetensors")
    assert weights["model.layers.1.self_attn.k_proj.weight"].shape == (16, 32)
    card = (model / "README.md").read_text()
    for fact in ("12 documents are left", "bits per byte", "--steps 30", "loss.svg", "30 steps"):
        assert fact in card
    rows = list(read_rows(model / "loss.csv"))
    assert [row.step for row in rows] == list(range(1, 31))
    assert outcome.validation_loss < 0.8 * rows[0].loss  # here 0.66
    assert rows[-1].validation_loss == pytest.approx(outcome.validation_loss, abs=1e-4)
    assert sum(row.validation_loss is not None for row in rows) == 10
    assert (model / "loss.svg").read_text().startswith("<svg")


def test_the_same_options_give_the_same_model_to_the_bit(folder: Path) -> None:
    for name in ("one", "two"):
        pretrain(tiny_options(folder, out=folder / name), report=silent)
    assert_same_model(folder / "one", folder / "two")
    pretrain(tiny_options(folder, out=folder / "three", seed=1), report=silent)
    assert losses_of(folder / "one") != losses_of(folder / "three")


@pytest.mark.parametrize(("saved_after", "killed_at"), [(1, 2), (3, 4), (3, 7), (8, 9)])
def test_a_run_that_is_killed_and_resumed_equals_one_that_was_not(
    folder: Path, saved_after: int, killed_at: int
) -> None:
    whole = tiny_options(folder, steps=9, out=folder / "whole")
    pretrain(whole, report=silent)

    killed = tiny_options(folder, steps=9, out=folder / "killed", resume=True)
    run_until_killed(pretrain, killed, saved_after=saved_after, killed_at=killed_at)
    assert not (folder / "killed" / "model.safetensors").exists()
    said: list[str] = []
    pretrain(killed, report=said.append)

    assert f"resumed after step {saved_after}" in said
    assert_same_model(folder / "whole", folder / "killed")
    assert losses_of(folder / "whole") == losses_of(folder / "killed")


def test_a_run_that_is_killed_before_its_first_checkpoint_begins_anew(folder: Path) -> None:
    pretrain(tiny_options(folder, out=folder / "whole"), report=silent)
    killed = tiny_options(folder, resume=True)
    with pytest.raises(KilledError):
        pretrain(killed, report=silent, watch=kill_at(3))
    pretrain(killed, report=silent)
    assert losses_of(folder / "whole") == losses_of(folder / "model")


def test_a_resumed_run_reads_what_it_encoded_and_not_the_folder_again(folder: Path) -> None:
    options = tiny_options(folder, resume=True)
    with pytest.raises(KilledError):
        pretrain(options, report=silent, watch=kill_at(2))
    shutil.rmtree(folder / "data")
    assert pretrain(options, report=silent).run.step == 6


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_its_step_and_leaves_a_model_that_can_go_on(
    folder: Path, number: signal.Signals
) -> None:
    pretrain(tiny_options(folder, out=folder / "whole"), report=silent)
    before = signal.getsignal(number)

    def interrupt(done: StepDone) -> None:
        if done.run.step == 3:
            signal.raise_signal(number)

    outcome = pretrain(tiny_options(folder), report=silent, watch=interrupt)
    assert (outcome.is_whole, outcome.run.step) == (False, 3)
    assert signal.getsignal(number) == before
    assert "interrupted before its end" in (folder / "model" / "README.md").read_text()

    assert pretrain(tiny_options(folder, resume=True), report=silent).is_whole
    assert_same_model(folder / "whole", folder / "model")


def test_a_finished_run_can_be_given_more_steps(folder: Path) -> None:
    pretrain(tiny_options(folder), report=silent)
    outcome = pretrain(tiny_options(folder, steps=8, resume=True), report=silent)
    assert outcome.run.step == 8
    assert [step for step, *_ in losses_of(folder / "model")] == list(range(1, 9))


def test_nothing_is_overwritten_unless_resumed(folder: Path) -> None:
    pretrain(tiny_options(folder), report=silent)
    with pytest.raises(OptionError, match=r"^--out: .* holds a run already; go on with --resume"):
        pretrain(tiny_options(folder), report=silent)
    shutil.rmtree(folder / "model" / "training")
    with pytest.raises(OptionError, match=r"^--out: .* holds a model already"):
        pretrain(tiny_options(folder), report=silent)


def test_a_run_is_not_resumed_as_another(folder: Path) -> None:
    pretrain(tiny_options(folder, steps=2), report=silent)
    with pytest.raises(OptionError, match=r"^--width is 64 and was 32"):
        pretrain(tiny_options(folder, width=64, resume=True), report=silent)
    checkpoint = folder / "model" / "training" / "checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt is"):
        pretrain(tiny_options(folder, resume=True), report=silent)


@pytest.mark.parametrize("name", ["ids.bin", "documents.npy", "manifest.json"])
def test_token_files_that_were_cut_off_are_refused(folder: Path, name: str) -> None:
    pretrain(tiny_options(folder, steps=2), report=silent)
    path = folder / "model" / "training" / "tokens" / name
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(DataError, match=r"tokens is damaged .* remove it"):
        pretrain(tiny_options(folder, resume=True), report=silent)


def test_tokens_of_another_tokenizer_are_refused(folder: Path) -> None:
    pretrain(tiny_options(folder, steps=2), report=silent)
    write_tokenizer(folder / "other", folder / "data", vocab_size=280)
    with pytest.raises(DataError, match="another tokenizer than --tokenizer names"):
        pretrain(tiny_options(folder, tokenizer=folder / "other", resume=True), report=silent)


def test_a_run_that_diverges_says_so_and_keeps_its_last_checkpoint(folder: Path) -> None:
    options = tiny_options(folder, lr=1e30, steps=50, checkpoint_minutes=1e-9)
    with pytest.raises(DivergedError, match="try a lower --lr"):
        pretrain(options, report=silent)
    path = folder / "model" / "training" / "checkpoint.pt"
    assert load_checkpoint(path, device=torch.device("cpu"))["run"].step >= 1


def test_a_run_without_a_limit_goes_once_through_the_data(folder: Path) -> None:
    said: list[str] = []
    outcome = pretrain(tiny_options(folder, steps=None), report=said.append)
    (line,) = (line for line in said if "tokens to learn from" in line)
    num_targets = int(line.split(" tokens to learn from")[0].split()[-1].replace(",", ""))
    assert num_targets <= outcome.run.num_tokens < num_targets * 1.3


class ScriptedTrainer:
    """Every step takes ten seconds of the clock it is given."""

    now_s = 100.0

    def step(self, batches: list[PackedBatch], *, learning_rate: float) -> StepResult:
        self.now_s += 10
        return StepResult(1.0, learning_rate)


class EmptyStream:
    position = 0

    def take_step(self) -> list[PackedBatch]:
        self.position += 1
        return []


def test_minutes_end_a_run_and_a_resumed_one_has_only_what_is_left() -> None:
    plan = Plan(max_steps=None, max_s=60, peak_learning_rate=1.0, warmup_steps=0)

    def count(start: RunState) -> list[RunState]:
        trainer = ScriptedTrainer()
        return [
            done.run
            for done in run_steps(
                trainer,  # type: ignore[arg-type]  # stands in for a Trainer
                EmptyStream(),
                plan,
                start=start,
                clock=lambda: trainer.now_s,
            )
        ]

    whole = count(RunState())
    assert [run.elapsed_s for run in whole] == [10, 20, 30, 40, 50, 60]
    assert len(count(whole[3])) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "holds no .txt, .md, .jsonl file"),
        (b"\0\1\2" * 999, "binary file: 1"),
        ("año ".encode("latin-1") * 999, "not UTF-8"),
        (b"a" * 400, "repetitive 1"),
        (b"", "nothing to learn from"),
    ],
)
def test_a_folder_with_nothing_to_learn_from_is_refused_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, message: str
) -> None:
    data = folder / "hostile"
    data.mkdir()
    if content is not None:
        (data / "file.txt").write_bytes(content)
    places = ["--tokenizer", str(folder / "tokenizer"), "--out", str(folder / "out")]
    assert main(["--data", str(data), *places, "--device", "cpu"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: --data: ")
    assert message in line


def test_one_huge_line_is_learnt_from_like_any_text(folder: Path) -> None:
    data = folder / "line"
    data.mkdir()
    text = " ".join(write_text(seed=seed).replace("\n", " ") for seed in range(300))
    (data / "file.txt").write_text(text)
    outcome = pretrain(tiny_options(folder, data=data, steps=2), report=silent)
    assert outcome.run.step == 2
