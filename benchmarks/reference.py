"""transformers' Llama on our own weights, to stand beside in tests and benchmarks."""

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from generation.engine.config import ModelConfig
from generation.engine.model import Transformer

_LAYER_NAMES = {
    "attention_norm": "input_layernorm",
    "attention.out": "self_attn.o_proj",
    "feed_forward_norm": "post_attention_layernorm",
    "feed_forward.down": "mlp.down_proj",
}


def build_reference(model: Transformer) -> LlamaForCausalLM:
    """The same weights (shared where the layouts agree) in transformers' own model."""
    reference: LlamaForCausalLM = LlamaForCausalLM(_reference_config(model.config))
    reference.load_state_dict(_reference_weights(model), assign=True, strict=False)
    reference.tie_weights()
    reference.train(mode=False)
    return reference


def generate_greedily(
    reference: LlamaForCausalLM, prompt_ids: list[int], *, num_tokens: int
) -> list[int]:
    """What transformers generates with its own cache; it does not stop early."""
    reference.generation_config.eos_token_id = None
    output = reference.generate(  # type: ignore[misc]  # its own stub refuses its own classes
        torch.tensor([prompt_ids]),
        attention_mask=torch.ones(1, len(prompt_ids), dtype=torch.long),
        max_new_tokens=num_tokens,
        do_sample=False,
    )
    ids: list[int] = output[0, len(prompt_ids) :].tolist()
    return ids


def _reference_config(config: ModelConfig) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=config.vocab_size,
        hidden_size=config.d_model,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        num_key_value_heads=config.num_kv_heads,
        head_dim=config.head_dim,
        intermediate_size=config.d_ff,
        max_position_embeddings=config.max_positions,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
        rms_norm_eps=config.norm_eps,
        tie_word_embeddings=config.tie_embeddings,
    )


def _reference_weights(model: Transformer) -> dict[str, Tensor]:
    config = model.config
    ours = model.state_dict()
    weights = {
        "model.embed_tokens.weight": ours["embedding.weight"],
        "model.norm.weight": ours["norm.weight"],
        "lm_head.weight": ours["embedding.weight" if config.tie_embeddings else "head.weight"],
    }
    for layer in range(config.num_layers):
        source, target = f"blocks.{layer}", f"model.layers.{layer}"
        for name, theirs in _LAYER_NAMES.items():
            weights[f"{target}.{theirs}.weight"] = ours[f"{source}.{name}.weight"]
        qkv = ours[f"{source}.attention.qkv.weight"]
        parts = torch.split(qkv, [config.q_size, config.kv_size, config.kv_size])
        for name, part in zip(("q", "k", "v"), parts, strict=True):
            weights[f"{target}.self_attn.{name}_proj.weight"] = part.contiguous()
        gate, up = ours[f"{source}.feed_forward.gate_up.weight"].chunk(2)
        weights[f"{target}.mlp.gate_proj.weight"] = gate.contiguous()
        weights[f"{target}.mlp.up_proj.weight"] = up.contiguous()
    return weights
