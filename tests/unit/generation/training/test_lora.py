"""Low-rank factors learn, the rest stays, and what was learnt can be merged."""

from pathlib import Path

import numpy as np
import torch

from generation.engine.adapters import load_adapter, merge_adapter, serialise_adapter
from generation.engine.model import Transformer
from generation.training.lora import LoraLinear, add_lora, build_adapter
from generation.training.packing import PackedBatch, pack
from generation.training.trainer import OptimizerSettings, Trainer, init_weights, next_token_loss
from tests.unit.generation.training.texts import tiny_options


def build_model() -> Transformer:
    model = Transformer(tiny_options(Path()).build_config(vocab_size=50))
    init_weights(model, seed=0)
    return model


def draw() -> PackedBatch:
    generator = np.random.default_rng(0)
    return pack([generator.integers(0, 50, size) for size in (20, 20, 9)])


def test_at_first_the_model_is_what_it_was() -> None:
    model, batch = build_model(), draw()
    before = next_token_loss(model, batch)
    add_lora(model, rank=4, alpha=8.0, seed=0, dtype=torch.float32)
    assert torch.equal(next_token_loss(model, batch), before)
    paths = [module for module in model.modules() if isinstance(module, LoraLinear)]
    assert len(paths) == 2 * 4
    learning = {name for name, p in model.named_parameters() if p.requires_grad}
    assert learning == {name for name, _ in model.named_parameters() if name[-2:] in (".a", ".b")}


def test_what_was_learnt_gives_the_same_logits_once_merged(tmp_path: Path) -> None:
    model, batch = build_model(), draw()
    add_lora(model, rank=4, alpha=8.0, seed=0, dtype=torch.float32)
    trainer = Trainer(model, next_token_loss, settings=OptimizerSettings())
    untrained = trainer.mean_loss([batch])
    for _ in range(30):
        trainer.step([batch], learning_rate=2e-2)
    learnt = trainer.mean_loss([batch])
    assert learnt < untrained - 0.2

    adapter = build_adapter(model, base_sha256="0" * 64, prompt="direct@1", dtype=torch.float32)
    (tmp_path / "adapter.safetensors").write_bytes(serialise_adapter(adapter))
    loaded = load_adapter(tmp_path / "adapter.safetensors")
    plain = build_model()
    plain.load_state_dict(merge_adapter(loaded, plain.state_dict()))
    again = Trainer(plain, next_token_loss, settings=OptimizerSettings()).mean_loss([batch])
    assert abs(again - learnt) < 1e-5


def test_seeds_decide_the_first_factors() -> None:
    models = [build_model() for _ in range(3)]
    for model, seed in zip(models, (0, 0, 1), strict=True):
        add_lora(model, rank=4, alpha=8.0, seed=seed, dtype=torch.float32)
    first, same, other = (m.get_parameter("blocks.1.attention.qkv.a") for m in models)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert not torch.equal(first, models[0].get_parameter("blocks.0.attention.qkv.a"))
