"""The transformer equals transformers in every family, from both kinds of files."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from generation.engine.attention import PackedContext
from generation.engine.gguf_config import read_gguf_config
from generation.engine.gguf_file import GgufFile
from generation.engine.model import Transformer
from generation.engine.safetensors_folder import SafetensorsFolder
from generation.engine.weights import build_transformer
from tests.unit.generation.engine.families import (
    FAMILIES,
    build_reference,
    write_reference_gguf,
)
from tests.unit.generation.engine.tiny import tiny_config, tiny_transformer

TOKENS = torch.tensor([5, 17, 3, 90, 41, 5, 17, 8, 66, 2, 31, 77])
# no converter writes these: llama.cpp has no switch for them
NOT_IN_GGUF = ("mistral", "qwen2, windows")


def whole(model: Transformer, tokens: Tensor) -> Tensor:
    """Logits (T, V) of one sequence in one pass."""
    positions = torch.arange(tokens.shape[0])
    return model.logits(model(tokens, positions, PackedContext([tokens.shape[0]])))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_checkpoint_folder_computes_what_transformers_does(tmp_path: Path, family: str) -> None:
    reference = build_reference(family)
    reference.save_pretrained(tmp_path)
    with SafetensorsFolder(tmp_path) as folder:
        model = build_transformer(folder, dtype=torch.float32)

    with torch.inference_mode():
        difference = whole(model, TOKENS) - reference(TOKENS[None]).logits[0]
    assert difference.abs().max() < 1e-4


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in NOT_IN_GGUF])
def test_a_gguf_file_computes_what_transformers_does(tmp_path: Path, family: str) -> None:
    reference = build_reference(family)
    reference.save_pretrained(tmp_path)
    with SafetensorsFolder(tmp_path) as folder:
        expected_config = build_transformer(folder).config
    path = write_reference_gguf(tmp_path / "tiny.gguf", reference, expected_config)
    with GgufFile(path) as file:
        model = build_transformer(file, dtype=torch.float32)

    with torch.inference_mode():
        difference = whole(model, TOKENS) - reference(TOKENS[None]).logits[0]
    assert difference.abs().max() < 1e-4
    same = replace(model.config, rope_scaling=expected_config.rope_scaling)
    assert same == expected_config


def test_a_gguf_file_may_hold_mistrals_window(tmp_path: Path) -> None:
    reference = build_reference("mistral")
    reference.save_pretrained(tmp_path)
    with SafetensorsFolder(tmp_path) as folder:
        config = replace(build_transformer(folder).config, architecture="llama")
    path = write_reference_gguf(tmp_path / "tiny.gguf", reference, config)
    with GgufFile(path) as file:
        assert read_gguf_config(file) == config
        model = build_transformer(file, dtype=torch.float32)
    with torch.inference_mode():
        difference = whole(model, TOKENS) - reference(TOKENS[None]).logits[0]
    assert difference.abs().max() < 1e-4


@pytest.mark.parametrize("family", ["llama", "gemma3", "gpt2"])
@torch.inference_mode()
def test_packed_sequences_equal_each_alone(tmp_path: Path, family: str) -> None:
    build_reference(family).save_pretrained(tmp_path)
    with SafetensorsFolder(tmp_path) as folder:
        model = build_transformer(folder, dtype=torch.float32)
    lengths = [7, 1, 4]
    parts = torch.split(TOKENS, lengths)
    positions = torch.cat([torch.arange(length) for length in lengths])

    packed = model.logits(model(TOKENS, positions, PackedContext(lengths)))
    alone = torch.cat([whole(model, part) for part in parts])
    assert (packed - alone).abs().max() < 1e-4


@torch.inference_mode()
def test_bfloat16_stays_close_to_float32() -> None:
    exact = whole(tiny_transformer(), TOKENS).softmax(-1)
    rounded = whole(tiny_transformer().to(torch.bfloat16), TOKENS).softmax(-1)
    assert (exact - rounded).abs().max() < 0.05


@pytest.mark.parametrize("tied", [True, False])
def test_gradients_reach_every_weight(tied: bool) -> None:  # noqa: FBT001  a parameter of the test
    model = Transformer(tiny_config(tie_embeddings=tied))
    model.init_weights(seed=0)
    torch.autograd.backward(whole(model, TOKENS).logsumexp(-1).sum())
    assert all(parameter.grad is not None for parameter in model.parameters())
