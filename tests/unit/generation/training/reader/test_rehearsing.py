"""What is rehearsed beside questions is foretold as before, whatever the questions teach."""

import shutil
from pathlib import Path

import pytest
import torch

from generation.engine.adapters import load_adapter
from generation.local_model import load_model
from generation.training.errors import DataError, OptionError
from generation.training.lora import LoraLinear, add_lora, load_factors
from generation.training.reader.finetuning import teach
from generation.training.reader.rehearsing import (
    RehearsedBatch,
    RehearsingStream,
    divergence,
    read_pieces,
    reading_loss,
)
from generation.training.trainer import next_token_loss
from tests.unit.generation.training.reader.making import (
    make_group,
    make_plain_rows,
    reader_options,
    write_base,
    write_rows,
)
from tests.unit.generation.training.texts import silent

TEXT = "The river is long and the house by it is old. " * 40


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rehearsing")
    write_base(folder)
    write_rows(folder / "examples.jsonl", make_plain_rows(8))
    (folder / "plain.txt").write_text(TEXT, encoding="utf-8")
    return folder


@pytest.fixture
def folder(prepared: Path, tmp_path: Path) -> Path:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    return tmp_path


def forgotten(folder: Path, out: str) -> float:
    """How far a run went from what the model foretold of the text, in nats per token."""
    loaded = load_model(folder / "base", precision="float32")
    adapter = load_adapter(folder / out / "adapter.safetensors")
    add_lora(loaded.model, rank=4, alpha=8.0, seed=0, dtype=torch.float32)
    load_factors(loaded.model, adapter)
    pieces = read_pieces(folder / "plain.txt", loaded.tokenizer, seed=0)
    with torch.no_grad():
        far = [divergence(loaded.model, torch.from_numpy(piece).long()) for piece in pieces]
    return float(torch.stack(far).mean())


def test_a_run_that_rehearses_learns_as_much_and_forgets_less(folder: Path) -> None:
    options = reader_options(folder, steps=40, lr=2e-2)
    without = teach(options, report=silent)
    kept = reader_options(
        folder, steps=40, lr=2e-2, out=folder / "kept", plain=folder / "plain.txt"
    )
    beside = teach(kept, report=silent)
    assert without is not None
    assert beside is not None
    assert beside.after.loss < 0.5 * beside.before.loss
    assert forgotten(folder, "kept") < 0.5 * forgotten(folder, "reader")
    assert "pieces of plain text are rehearsed" in (folder / "kept/DATA.md").read_text()


def test_nothing_is_lost_before_anything_is_learnt(folder: Path) -> None:
    loaded = load_model(folder / "base", precision="float32")
    add_lora(loaded.model, rank=4, alpha=8.0, seed=0, dtype=torch.float32)
    (piece, *_) = read_pieces(folder / "plain.txt", loaded.tokenizer, seed=0)
    tokens = torch.from_numpy(piece).long()
    assert divergence(loaded.model, tokens).item() == pytest.approx(0.0, abs=1e-6)
    paths = [module for module in loaded.model.modules() if isinstance(module, LoraLinear)]
    with torch.no_grad():
        for path in paths:
            path.b.fill_(0.05)
    far = divergence(loaded.model, tokens)
    far.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
    assert far.item() > 0.01
    assert all(path.a.grad is not None and path.a.grad.any() for path in paths)


def test_the_piece_of_a_step_follows_from_the_position(folder: Path) -> None:
    loaded = load_model(folder / "base", precision="float32")
    add_lora(loaded.model, rank=4, alpha=8.0, seed=0, dtype=torch.float32)
    pieces = read_pieces(folder / "plain.txt", loaded.tokenizer, seed=0)
    groups = [make_group([number, 5, 6], ([7, 8, 9], 2)) for number in range(7)]

    def stream() -> RehearsingStream:
        return RehearsingStream(groups, pieces, weight=0.5, batch_tokens=12, pass_tokens=6, seed=1)

    whole, resumed = stream(), stream()
    steps = [whole.take_step() for _ in range(3)]
    resumed.take_step()
    resumed.position = 0
    for taken in steps:
        again = resumed.take_step()
        assert [type(batch) for batch in again] == [type(batch) for batch in taken]
        last, same = taken[-1], again[-1]
        assert isinstance(last, RehearsedBatch)
        assert isinstance(same, RehearsedBatch)
        assert torch.equal(last.rehearsal.tokens, same.rehearsal.tokens)
        # half the weight of the step's targets, over however many passes
        assert last.rehearsal.weight == 0.5 * sum(batch.num_targets for batch in taken)
        alone = next_token_loss(loaded.model, last)
        assert reading_loss(loaded.model, last).item() == pytest.approx(alone.item(), rel=1e-4)


def test_text_that_is_not_there_or_too_short_is_told_before_anything_is_learnt(
    folder: Path,
) -> None:
    (folder / "short.txt").write_text("No.", encoding="utf-8")
    with pytest.raises(DataError, match=r"--plain: .*too short"):
        teach(reader_options(folder, plain=folder / "short.txt"), report=silent)
    shutil.rmtree(folder / "reader")
    with pytest.raises(DataError, match=r"--plain: .*No such file"):
        teach(reader_options(folder, plain=folder / "none.txt"), report=silent)
    with pytest.raises(OptionError, match="--plain: only --method lora"):
        reader_options(folder, plain=folder / "plain.txt", method="full")
