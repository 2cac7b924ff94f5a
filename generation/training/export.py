"""Write a trained model as a folder that our engine and transformers both load. Llama only."""

import json
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

import torch
from safetensors.torch import save
from torch import Tensor

from core.durable import replace_file, replace_text
from generation.engine.config import ModelConfig
from generation.engine.model import Transformer
from generation.training.vocabulary import END_OF_TEXT

TOKENIZER_FILES: Final = (
    *("tokenizer.json", "tokenizer_config.json"),
    *("special_tokens_map.json", "chat_template.jinja"),
)
_NAMES: Final = {
    "attention_norm.weight": "input_layernorm.weight",
    "attention.out.weight": "self_attn.o_proj.weight",
    "feed_forward_norm.weight": "post_attention_layernorm.weight",
    "feed_forward.down.weight": "mlp.down_proj.weight",
}


def export_model(
    model: Transformer, tokenizer_folder: Path, out: Path, *, dtype: torch.dtype
) -> None:
    """Write tokenizer files, config.json and last model.safetensors, its weights in `dtype`."""
    for name in TOKENIZER_FILES:
        if (tokenizer_folder / name).exists():
            replace_file(out / name, partial(_copy, tokenizer_folder / name))
    ids = _special_ids(out / "tokenizer.json")
    config = describe_config(model.config, dtype=dtype) | {
        "bos_token_id": ids[END_OF_TEXT],
        "eos_token_id": ids[END_OF_TEXT],
    }
    replace_text(out / "config.json", json.dumps(config, indent=2) + "\n")
    stops = {"bos_token_id": ids[END_OF_TEXT], "eos_token_id": sorted(ids.values())}
    replace_text(out / "generation_config.json", json.dumps(stops, indent=2) + "\n")
    # a copy each: rows taken from one fused matrix share its memory, which the format refuses
    weights = {
        name: weight.to("cpu", dtype, copy=True) for name, weight in name_weights(model).items()
    }
    replace_file(
        out / "model.safetensors",
        lambda stream: stream.write(save(weights, metadata={"format": "pt"})),
    )


def describe_config(config: ModelConfig, *, dtype: torch.dtype) -> dict[str, Any]:
    """config.json of transformers' LlamaForCausalLM."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": config.vocab_size,
        "hidden_size": config.d_model,
        "intermediate_size": config.d_ff,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_kv_heads,
        "head_dim": config.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": config.max_positions,
        "rms_norm_eps": config.norm_eps,
        "rope_theta": config.rope_theta,
        "tie_word_embeddings": config.tie_embeddings,
        "attention_bias": False,
        "mlp_bias": False,
        "initializer_range": 0.02,
        "torch_dtype": str(dtype).removeprefix("torch."),
    }


def name_weights(model: Transformer) -> dict[str, Tensor]:
    """Our weights under the names of Llama checkpoints; fused matrices are taken apart by rows."""
    config = model.config
    weights = {
        "model.embed_tokens.weight": model.embedding.weight.detach(),
        "model.norm.weight": model.get_parameter("norm.weight").detach(),
    }
    if not config.tie_embeddings:
        weights["lm_head.weight"] = model.head.weight.detach()
    for layer in range(config.num_layers):
        block = model.get_submodule(f"blocks.{layer}")
        prefix = f"model.layers.{layer}"
        for ours, theirs in _NAMES.items():
            weights[f"{prefix}.{theirs}"] = block.get_parameter(ours).detach()
        qkv = block.get_parameter("attention.qkv.weight").detach()  # (H D + 2 Hkv D, C)
        rows = [config.q_size, config.kv_size, config.kv_size]
        for letter, part in zip("qkv", torch.split(qkv, rows), strict=True):
            weights[f"{prefix}.self_attn.{letter}_proj.weight"] = part
        gate, up = block.get_parameter("feed_forward.gate_up.weight").detach().chunk(2)  # (F, C)
        weights[f"{prefix}.mlp.gate_proj.weight"] = gate
        weights[f"{prefix}.mlp.up_proj.weight"] = up
    return weights


def _copy(path: Path, stream: BinaryIO) -> None:
    stream.write(path.read_bytes())


def _special_ids(path: Path) -> dict[str, int]:
    """Ids of the tokens that end a text or a turn."""
    added = json.loads(path.read_text(encoding="utf-8"))["added_tokens"]
    return {
        token["content"]: token["id"]
        for token in added
        if token["content"] in (END_OF_TEXT, "<|im_end|>")
    }
