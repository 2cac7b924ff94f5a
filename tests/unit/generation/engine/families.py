"""A tiny random model of every family in transformers, and its files in both formats."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import transformers
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel

from generation.engine.config import ModelConfig
from tests.unit.generation.engine.tiny import write_gguf

_SHAPE: Final = {
    "vocab_size": 97,
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
    "max_position_embeddings": 64,
    "head_dim": 16,
    "rms_norm_eps": 2**-17,  # exact in float32, which is how GGUF stores it
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_GPT2_SHAPE: Final = {
    "vocab_size": 97,
    "n_embd": 64,
    "n_layer": 3,
    "n_head": 4,
    "n_positions": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "layer_norm_epsilon": 2**-17,
}
_LLAMA3_ROPE: Final = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
_LINEAR_ROPE: Final = {"rope_type": "linear", "rope_theta": 10_000.0, "factor": 4.0}

# windows are shorter than the texts of the tests, and both kinds of layer occur
FAMILIES: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "llama": ("LlamaConfig", {}),
    "llama, tied": ("LlamaConfig", {"tie_word_embeddings": True}),
    "llama, one group": ("LlamaConfig", {"num_key_value_heads": 4}),
    "llama, biased": ("LlamaConfig", {"attention_bias": True, "mlp_bias": True}),
    "llama 3": ("LlamaConfig", {"rope_parameters": _LLAMA3_ROPE}),
    "llama, linear": ("LlamaConfig", {"rope_parameters": _LINEAR_ROPE}),
    "smollm3": ("SmolLM3Config", {}),
    "mistral": ("MistralConfig", {"sliding_window": 5}),
    "qwen2": ("Qwen2Config", {"tie_word_embeddings": True}),
    "qwen2, windows": (
        "Qwen2Config",
        {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 2},
    ),
    "qwen3": ("Qwen3Config", {"head_dim": 32}),
    "gemma3": (
        "Gemma3TextConfig",
        {
            "sliding_window": 5,
            "num_hidden_layers": 7,
            "head_dim": 32,
            "query_pre_attn_scalar": 32,
        },
    ),
    "gpt2": ("GPT2Config", {}),
}

_GGUF_NAMES: Final = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "transformer.wte": "token_embd",
    "transformer.wpe": "position_embd",
    "transformer.ln_f": "output_norm",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "ln_1": "attn_norm",
    "ln_2": "ffn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}
_GEMMA_GGUF_NAMES: Final = _GGUF_NAMES | {
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}


def build_reference(family: str) -> PreTrainedModel:
    """Random weights, far from zero, so that every one of them matters; norms are not all one."""
    kind, changes = FAMILIES[family]
    shape = _GPT2_SHAPE if family == "gpt2" else _SHAPE
    config: PreTrainedConfig = getattr(transformers, kind)(**{**shape, **changes})
    config.initializer_range = 0.3
    torch.manual_seed(0)
    model: PreTrainedModel = transformers.AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
        config
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                parameter.normal_(0.0 if name.endswith("bias") else 0.5, 0.3)
    model.train(mode=False)
    return model


def write_reference_gguf(path: Path, model: PreTrainedModel, config: ModelConfig) -> Path:
    """The checkpoint as llama.cpp's converter would write it."""
    tensors = {}
    for name, weight in model.state_dict().items():
        theirs, _, kind = name.rpartition(".")
        if name == "lm_head.weight" and config.tie_embeddings:
            continue
        ours = _name_in_gguf(theirs, config)
        tensors[f"{ours}.{kind}"] = _as_in_gguf(ours, weight, config).numpy().astype(np.float32)
    scaling = config.rope_scaling
    if scaling is not None and scaling.kind == "llama3":
        tensors["rope_freqs.weight"] = _llama3_divisors(config)
    return write_gguf(path, tensors, config)


def _name_in_gguf(name: str, config: ModelConfig) -> str:
    names = _GEMMA_GGUF_NAMES if config.architecture == "gemma3" else _GGUF_NAMES
    parts = name.split(".")
    if not parts[2:]:
        return names[name]
    return f"blk.{parts[2]}.{names['.'.join(parts[3:])]}"


def _as_in_gguf(name: str, weight: Tensor, config: ModelConfig) -> Tensor:
    part = name.rpartition(".")[2]
    if config.architecture in ("llama", "smollm3") and part in ("attn_q", "attn_k"):
        halves = weight.reshape(-1, 2, config.head_dim // 2, *weight.shape[1:])
        return halves.swapaxes(1, 2).reshape(weight.shape)
    if config.architecture == "gemma3" and part.endswith("norm"):
        return weight + 1
    if config.architecture == "gpt2" and weight.dim() == 2 and name.startswith("blk."):
        return weight.t()
    return weight


def _llama3_divisors(config: ModelConfig) -> np.ndarray:
    """As transformers turns them, in `_compute_llama3_parameters` of modeling_rope_utils.py."""
    scaling = config.rope_scaling
    assert scaling is not None
    frequencies = config.rope_theta ** -(np.arange(0, config.head_dim, 2) / config.head_dim)
    waves = 2 * np.pi / frequencies
    low = scaling.original_max_positions / scaling.low_freq_factor
    high = scaling.original_max_positions / scaling.high_freq_factor
    spread = scaling.high_freq_factor - scaling.low_freq_factor
    kept = (scaling.original_max_positions / waves - scaling.low_freq_factor) / spread
    between = 1 / ((1 - kept) / scaling.factor + kept)
    divisors = np.where(waves > low, scaling.factor, np.where(waves < high, 1.0, between))
    return divisors.astype(np.float32)
