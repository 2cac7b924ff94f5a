"""Steps change weights by the gradient of the whole batch, however it is cut."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from generation.engine.attention import PackedContext
from generation.engine.model import Transformer
from generation.training.errors import DivergedError
from generation.training.packing import IGNORED, PackedBatch, pack
from generation.training.trainer import (
    OptimizerSettings,
    Trainer,
    build_optimizer,
    init_weights,
    learning_rate_at,
    next_token_loss,
)
from tests.unit.generation.training.texts import tiny_options


def build_model(*, seed: int = 0) -> Transformer:
    model = Transformer(tiny_options(Path()).build_config(vocab_size=50))
    init_weights(model, seed=seed)
    return model


def build_trainer(
    model: Transformer, *, dtype: torch.dtype = torch.float32
) -> Trainer[Transformer, PackedBatch]:
    return Trainer(model, next_token_loss, settings=OptimizerSettings(), dtype=dtype)


def draw(*lengths: int, seed: int = 0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.integers(0, 50, length) for length in lengths]


def test_gradients_summed_over_passes_are_those_of_one_pass() -> None:
    sequences = draw(20, 20, 9, 4)
    weights = []
    for batches in ([pack(sequences)], [pack(sequences[:1]), pack(sequences[1:])]):
        trainer = build_trainer(build_model())
        result = trainer.step(batches, learning_rate=1e-2)
        weights.append(torch.cat([p.flatten() for p in trainer.model.parameters()]))
        assert result.loss == pytest.approx(math.log(50), abs=0.1)
    torch.testing.assert_close(*weights, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_model_learns_a_text_by_heart(dtype: torch.dtype) -> None:
    trainer = build_trainer(build_model(), dtype=dtype)
    batch = pack(draw(25, 25))
    for _ in range(60):
        trainer.step([batch], learning_rate=1e-2)
    assert trainer.mean_loss([batch]) < 0.2
    assert {p.dtype for p in trainer.model.parameters()} == {torch.float32}


def test_ignored_targets_neither_count_nor_teach() -> None:
    """What fine-tuning needs: the loss of the answer alone."""
    whole = pack(draw(12))
    targets = whole.targets.clone()
    targets[:8] = IGNORED
    masked = PackedBatch(whole.tokens, targets, whole.positions, whole.lengths, num_targets=3)
    model = build_model()
    logits = model.logits(model(whole.tokens, whole.positions, PackedContext(whole.lengths)))
    expected = torch.nn.functional.cross_entropy(logits[8:], whole.targets[8:]).item()
    trainer = build_trainer(model)
    assert trainer.mean_loss([masked]) == pytest.approx(expected, rel=1e-5)
    assert trainer.step([masked], learning_rate=0.0).loss == pytest.approx(expected, rel=1e-5)


def test_frozen_weights_stay_and_take_no_memory_of_the_optimizer() -> None:
    model = build_model()
    model.embedding.weight.requires_grad = False
    before = model.embedding.weight.clone()
    trainer = build_trainer(model)
    trainer.step([pack(draw(12))], learning_rate=1e-2)
    assert torch.equal(model.embedding.weight, before)
    num_trained = len([p for p in model.parameters() if p.requires_grad])
    assert len(trainer.state()["optimizer"]["state"]) == num_trained


def test_only_matrices_decay() -> None:
    model = build_model()
    optimizer = build_optimizer(list(model.parameters()), OptimizerSettings())
    decay = {
        id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]
    }
    by_name = {name: decay[id(p)] for name, p in model.named_parameters()}
    assert by_name["embedding.weight"] == by_name["blocks.0.attention.qkv.weight"] == 0.1
    assert by_name["norm.weight"] == by_name["blocks.1.attention_norm.weight"] == 0.0


def test_a_loss_that_is_no_number_changes_no_weight() -> None:
    def broken(model: Transformer, batch: PackedBatch) -> Tensor:
        return next_token_loss(model, batch) * math.nan

    model = build_model()
    before = [p.clone() for p in model.parameters()]
    trainer = Trainer(model, broken, settings=OptimizerSettings())
    with pytest.raises(DivergedError, match="nan; try a lower --lr"):
        trainer.step([pack(draw(12))], learning_rate=1e-2)
    assert all(torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))


def test_the_learning_rate_rises_in_a_line_and_falls_in_a_cosine() -> None:
    rates = [learning_rate_at(n, n / 1000, peak=1.0, warmup=10) for n in range(1000)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[4] == pytest.approx(0.5, abs=1e-3)
    assert max(rates) == pytest.approx(1.0, abs=1e-2)
    assert rates[500] == pytest.approx(0.55, abs=1e-2)
    assert rates[-1] == pytest.approx(0.1, abs=1e-3)
    assert rates[20:] == sorted(rates[20:], reverse=True)


def test_a_short_run_warms_up_within_its_first_tenth() -> None:
    rates = [learning_rate_at(n, n / 50, peak=1.0, warmup=100) for n in range(50)]
    assert max(rates) == rates[5] == pytest.approx(0.98, abs=0.01)


def test_seeds_decide_the_first_weights() -> None:
    first, same, other = (build_model(seed=seed).embedding.weight for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
