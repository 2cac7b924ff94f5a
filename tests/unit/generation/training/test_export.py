"""A model on disk has the names and shapes that Llama checkpoints have."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from generation.engine.model import Transformer
from generation.training.export import name_weights
from tests.unit.generation.training.texts import tiny_options


def test_fused_matrices_come_apart_in_the_order_in_which_the_model_reads_them() -> None:
    model = Transformer(tiny_options(Path()).build_config(vocab_size=50))
    model.init_weights(seed=0)
    weights = name_weights(model)
    prefix = "model.layers.1"
    qkv = [weights[f"{prefix}.self_attn.{letter}_proj.weight"] for letter in "qkv"]
    assert [tuple(part.shape) for part in qkv] == [(32, 32), (16, 32), (16, 32)]
    fused = model.get_parameter("blocks.1.attention.qkv.weight")
    assert torch.equal(torch.cat(qkv), fused)
    gate_up = [weights[f"{prefix}.mlp.{name}_proj.weight"] for name in ("gate", "up")]
    assert torch.equal(
        torch.cat(gate_up), model.get_parameter("blocks.1.feed_forward.gate_up.weight")
    )
    assert "lm_head.weight" not in weights  # tied: it is the embedding
    assert sum(weight.numel() for weight in weights.values()) == sum(
        p.numel() for p in model.parameters()
    )


_IMPORT = """
import importlib, sys
importlib.import_module(sys.argv[1])
foreign = set(sys.argv[2:])
sys.exit(", ".join(sorted(foreign & {name.split(".")[0] for name in sys.modules})) or None)
"""
_SERVICE = ("pydantic", "typer", "rich", "transformers", "sqlalchemy", "langchain_core", "app")


@pytest.mark.parametrize(
    ("module", "foreign"),
    [
        ("generation.training.base", (*_SERVICE, "gguf", "jinja2", "yaml")),
        ("generation.training.vocabulary", (*_SERVICE, "gguf", "jinja2", "yaml")),
        ("generation.training.reader.finetuning", (*_SERVICE, "gguf", "yaml")),
    ],
)
def test_the_trainers_run_where_little_is_installed(module: str, foreign: tuple[str, ...]) -> None:
    result = subprocess.run(
        [sys.executable, "-c", _IMPORT, module, *foreign],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
