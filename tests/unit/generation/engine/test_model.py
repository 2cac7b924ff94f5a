"""The transformer equals transformers' Llama, and its cache changes nothing."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from generation.engine import GgufFile, ModelConfig, Transformer, build_transformer
from tests.unit.generation.engine.tiny import tiny_config, tiny_transformer, write_gguf

TOKENS = torch.tensor([[5, 17, 3, 90, 41, 5, 17, 8, 66, 2, 31, 77]])


def reference_model(config: ModelConfig) -> LlamaForCausalLM:
    torch.manual_seed(0)
    model: LlamaForCausalLM = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=config.vocab_size,
            hidden_size=config.d_model,
            num_hidden_layers=config.num_layers,
            num_attention_heads=config.num_heads,
            num_key_value_heads=config.num_kv_heads,
            head_dim=config.head_dim,
            intermediate_size=config.d_ff,
            max_position_embeddings=config.max_positions,
            rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
            rms_norm_eps=config.rms_norm_eps,
            tie_word_embeddings=config.tie_embeddings,
            initializer_range=0.3,
        )
    )
    model.train(mode=False)
    return model


def gguf_tensors(model: LlamaForCausalLM, config: ModelConfig) -> dict[str, np.ndarray]:
    """The checkpoint as llama.cpp's converter would write it, with Q and K rows permuted."""
    names = {
        "input_layernorm": "attn_norm",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "post_attention_layernorm": "ffn_norm",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    }
    state = {name: weight.numpy() for name, weight in model.state_dict().items()}
    tensors = {
        "token_embd.weight": state["model.embed_tokens.weight"],
        "output_norm.weight": state["model.norm.weight"],
    }
    if not config.tie_embeddings:
        tensors["output.weight"] = state["lm_head.weight"]
    for layer in range(config.num_layers):
        for theirs, ours in names.items():
            weight = state[f"model.layers.{layer}.{theirs}.weight"]
            if ours in ("attn_q", "attn_k"):
                halves = weight.reshape(-1, 2, config.head_dim // 2, config.d_model)
                weight = halves.swapaxes(1, 2).reshape(weight.shape)
            tensors[f"blk.{layer}.{ours}.weight"] = weight
    return tensors


@pytest.mark.parametrize(
    "config",
    [tiny_config(), tiny_config(tie_embeddings=False), tiny_config(num_kv_heads=4)],
    ids=["tied", "untied", "one group"],
)
def test_logits_equal_transformers_on_the_same_weights(tmp_path: Path, config: ModelConfig) -> None:
    reference = reference_model(config)
    path = write_gguf(tmp_path / "tiny.gguf", gguf_tensors(reference, config), config)
    with GgufFile(path) as file:
        model = build_transformer(file, dtype=torch.float32)

    with torch.inference_mode():
        expected = reference(TOKENS).logits
        actual = model(TOKENS)

    assert model.config == config
    assert (actual - expected).abs().max() < 1e-4


@torch.inference_mode()
def test_a_token_at_a_time_with_a_cache_equals_one_full_pass() -> None:
    model = tiny_transformer()
    cache = model.new_cache(32)
    steps = [model(TOKENS[:, i : i + 1], cache) for i in range(TOKENS.shape[1])]

    assert torch.allclose(torch.cat(steps, dim=1), model(TOKENS), atol=1e-4)
    assert cache.length == TOKENS.shape[1]


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 11])
@torch.inference_mode()
def test_chunked_prefill_equals_whole(chunk: int) -> None:
    model = tiny_transformer()
    cache = model.new_cache(32)
    chunks = [model(part, cache) for part in torch.split(TOKENS, chunk, dim=1)]

    assert torch.allclose(torch.cat(chunks, dim=1), model(TOKENS), atol=1e-4)


@torch.inference_mode()
def test_a_batch_equals_its_rows_alone() -> None:
    model = tiny_transformer()
    batch = torch.stack((TOKENS[0], TOKENS[0].flip(0)))

    assert torch.allclose(model(batch), torch.cat([model(row[None]) for row in batch]), atol=1e-4)


@torch.inference_mode()
def test_last_only_is_the_last_row_of_all_logits() -> None:
    model = tiny_transformer()
    assert torch.allclose(model(TOKENS, last_only=True), model(TOKENS)[:, -1:], atol=1e-6)


@torch.inference_mode()
def test_a_truncated_cache_continues_as_if_never_longer() -> None:
    model = tiny_transformer()
    cache = model.new_cache(32)
    model(TOKENS, cache)
    cache.truncate(4)

    assert torch.allclose(model(TOKENS[:, 4:], cache), model(TOKENS)[:, 4:], atol=1e-4)


@torch.inference_mode()
def test_bfloat16_stays_close_to_float32() -> None:
    exact = tiny_transformer()(TOKENS).softmax(-1)
    rounded = tiny_transformer().to(torch.bfloat16)(TOKENS).softmax(-1)
    assert (exact - rounded).abs().max() < 0.05


def test_gradients_reach_every_weight() -> None:
    model = Transformer(tiny_config())
    model.init_weights(seed=0)
    model(TOKENS).logsumexp(-1).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
