"""A run teaches; killed and resumed it gives the same; what cannot work is refused in one line."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from generation.engine.adapters import load_adapter
from generation.local_model import load_model
from generation.training.errors import CheckpointError, DataError, DivergedError, OptionError
from generation.training.journal import read_rows
from generation.training.reader.finetuning import main, teach
from generation.training.reader.options import ReaderOptions
from generation.training.running import Ending
from tests.unit.generation.training.reader.making import (
    make_plain_rows,
    reader_options,
    write_base,
    write_rows,
)
from tests.unit.generation.training.runs import (
    arguments_of,
    assert_same_weights,
    fill_disk,
    losses_of,
    run_until_killed,
)
from tests.unit.generation.training.texts import silent


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reader")
    write_base(folder)
    write_rows(folder / "examples.jsonl", make_plain_rows(8))
    return folder


@pytest.fixture
def folder(prepared: Path, tmp_path: Path) -> Path:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_a_run_lowers_the_loss_raises_the_metric_and_writes_what_it_did(folder: Path) -> None:
    outcome = teach(reader_options(folder, steps=40, lr=2e-2, validations=4), report=silent)
    assert outcome is not None
    assert outcome.ending is Ending.WHOLE
    assert outcome.after.loss < 0.5 * outcome.before.loss
    assert outcome.before.metric == 0.0
    assert outcome.after.metric >= 0.5
    out = folder / "reader"
    card, data = (out / "README.md").read_text(), (out / "DATA.md").read_text()
    for fact in ("low-rank adapter, rank 4", "`direct@1`", "--steps 40", "metric.svg", "40 steps"):
        assert fact in card
    assert "24 examples are left (en 24), 8 of them to be refused" in data
    assert (out / "metric.svg").read_text().startswith("<svg")
    adapter = load_adapter(out / "adapter.safetensors")
    assert adapter.prompt == "direct@1"
    assert len(adapter.factors) == 2 * 4
    assert sum(row.validation_metric is not None for row in read_rows(out / "loss.csv")) == 4


def test_all_weights_can_learn_and_give_a_model_folder(folder: Path) -> None:
    outcome = teach(reader_options(folder, method="full", steps=30, lr=3e-3), report=silent)
    assert outcome is not None
    assert outcome.after.loss < outcome.before.loss
    written = load_model(folder / "reader", precision="float32")
    assert written.tokenizer.has_template
    assert written.sha256 != load_model(folder / "base").sha256


def test_an_adapter_changes_the_model_that_it_was_trained_on_and_no_other(folder: Path) -> None:
    teach(reader_options(folder, steps=6, lr=2e-2), report=silent)
    adapter = folder / "reader" / "adapter.safetensors"
    plain = load_model(folder / "base", precision="float32")
    merged = load_model(folder / "base", precision="float32", adapter=adapter)
    name = "blocks.0.attention.qkv.weight"
    change = merged.model.get_parameter(name) - plain.model.get_parameter(name)
    pair = load_adapter(adapter).factors[name]
    torch.testing.assert_close(change, 2.0 * pair.b.float() @ pair.a.float())
    assert merged.sha256 != plain.sha256

    (folder / "other").mkdir()
    other = write_base(folder / "other", width=64)
    with pytest.raises(Exception, match="was trained on other weights than base"):
        load_model(other, adapter=adapter)


def test_a_run_begins_from_what_another_learnt(folder: Path) -> None:
    first = teach(reader_options(folder, steps=20, lr=2e-2), report=silent)
    assert first is not None
    adapter = folder / "reader" / "adapter.safetensors"
    # another scale: the factors are taken as what they do, not as they stand
    options = reader_options(folder, out=folder / "on", adapter=adapter, alpha=4.0, steps=1)
    on = teach(options, report=silent)
    assert on is not None
    assert on.before.loss == pytest.approx(first.after.loss, rel=0.02)  # kept in bfloat16
    assert on.before.loss < 0.9 * first.before.loss


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rank": 5}, "the adapter is of rank 4, and rank 5 is to be learnt"),
        ({"base": "other"}, "was trained on other weights than --base names"),
        ({"adapter": "none.safetensors"}, "--adapter: there is no adapter"),
        ({"method": "full"}, "--adapter: only --method lora goes on from one"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused_before_a_step(
    folder: Path, changes: dict[str, object], message: str
) -> None:
    teach(reader_options(folder, steps=1), report=silent)
    if "base" in changes:
        (folder / "elsewhere").mkdir()
        changes = {"base": write_base(folder / "elsewhere", seed=1)}
    adapter = folder / "reader" / str(changes.get("adapter", "adapter.safetensors"))
    options = {"out": folder / "on"} | changes | {"adapter": adapter}
    with pytest.raises(OptionError, match=message):
        teach(reader_options(folder, **options), report=silent)


@pytest.mark.parametrize(("saved_after", "killed_at"), [(1, 2), (3, 6)])
def test_a_run_that_is_killed_and_resumed_equals_one_that_was_not(
    folder: Path, saved_after: int, killed_at: int
) -> None:
    options = reader_options(folder, steps=7, lr=1e-2, validations=3, out=folder / "whole")
    teach(options, report=silent)

    killed = replace(options, out=folder / "killed", resume=True)
    run_until_killed(teach, killed, saved_after=saved_after, killed_at=killed_at)
    teach(killed, report=silent)
    assert losses_of(folder / "whole") == losses_of(folder / "killed")
    adapters = (folder / name / "adapter.safetensors" for name in ("whole", "killed"))
    assert_same_weights(*adapters)


def test_examples_that_were_encoded_before_are_gone_on_from(folder: Path) -> None:
    options = reader_options(folder)
    assert teach(replace(options, encode_only=True), report=silent) is None
    (folder / "examples.jsonl").unlink()
    outcome = teach(replace(options, resume=True), report=silent)
    assert outcome is not None
    assert outcome.run.step == 4


def test_a_run_that_gains_nothing_more_ends_early_with_its_best_weights(folder: Path) -> None:
    options = reader_options(folder, steps=60, lr=1e-30, validations=30, patience=2)
    outcome = teach(options, report=silent)
    assert outcome is not None
    assert outcome.ending is Ending.STOPPED_EARLY
    assert outcome.run.step < 60
    assert outcome.best.num_worse == 2
    assert "ended early" in (folder / "reader" / "README.md").read_text()
    again = teach(replace(options, resume=True), report=silent)
    assert again is not None
    assert again.run == outcome.run


def test_keeping_less_of_a_pass_changes_no_number(folder: Path) -> None:
    options = reader_options(folder, steps=3, lr=1e-2)
    teach(replace(options, out=folder / "plain"), report=silent)
    teach(replace(options, out=folder / "recomputed", recompute=True), report=silent)
    plain, recomputed = (losses_of(folder / name) for name in ("plain", "recomputed"))
    assert [row[1] for row in recomputed] == pytest.approx([row[1] for row in plain], rel=1e-5)


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_its_checkpoint(folder: Path) -> None:
    options = reader_options(
        folder, method="full", lr=1e30, steps=50, checkpoint_minutes=1e-9, validations=1
    )
    with pytest.raises(DivergedError, match="try a lower --lr"):
        teach(options, report=silent)
    assert (folder / "reader" / "training" / "checkpoint.pt").exists()
    assert not (folder / "reader" / "model.safetensors").exists()


def test_a_full_disk_stops_the_run_in_one_line_with_the_last_checkpoint_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = reader_options(folder, steps=3)
    teach(options, report=silent)
    checkpoint = folder / "reader" / "training" / "checkpoint.pt"
    before = checkpoint.read_bytes()
    fill_disk(monkeypatch)
    assert main([*arguments_of(replace(options, steps=6)), "--resume"]) == 1
    assert "error: [Errno 28] No space left on device" in capsys.readouterr().err
    assert checkpoint.read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"examples": Path("none.jsonl")}, "No such file"),
        ({"base": Path("none.gguf")}, "--base: no GGUF file|--base: .*none.gguf"),
        ({"prompt": "poetry"}, "--prompt: there is no prompt .poetry."),
        ({"window": 70}, "--window: 24 examples are longer than 70 tokens"),
        ({"window": 4096}, "--window: the model reads 1024 tokens"),
    ],
)
def test_what_cannot_work_is_said_before_a_step(
    folder: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises((OptionError, DataError, OSError), match=message):
        teach(reader_options(folder, **changes), report=silent)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("rank", 0),
        ("rank", 2000),
        ("alpha", -1.0),
        ("window", 10),
        ("method", "prefix"),
        ("rounds", 0.0),
        ("validations", 0),
        ("patience", 0),
        ("lr", 0.0),
    ],
)
def test_a_value_out_of_range_is_refused_by_the_name_of_the_option(
    option: str, value: object
) -> None:
    with pytest.raises(OptionError, match="--" + option):
        reader_options(Path(), **{option: value})


def test_examples_of_another_model_or_damaged_ones_are_refused(folder: Path) -> None:
    teach(reader_options(folder, steps=1), report=silent)
    resumed: ReaderOptions = reader_options(folder, steps=1, resume=True)
    path = folder / "reader" / "training" / "tokens" / "learnt.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[:50])
    with pytest.raises(DataError, match="tokens is damaged"):
        teach(resumed, report=silent)
    path.write_bytes(whole)
    with pytest.raises(OptionError, match="--rank is 5 and was 4"):
        teach(replace(resumed, rank=5), report=silent)
    best = folder / "reader" / "training" / "best.pt"
    best.write_bytes(best.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=r"best\.pt is"):
        teach(resumed, report=silent)
