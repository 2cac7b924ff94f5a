"""A model's description from a checkpoint's config.json. Refuses what is not computed here.

Fields that a checkpoint leaves out have its family's own defaults (transformers, the
configuration_*.py of each model).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from generation.engine.config import MAX_LAYERS, Activation, ModelConfig, RopeScaling
from generation.engine.errors import ModelConfigError, UnsupportedModelError
from generation.engine.json_fields import JsonFields

_ACTIVATIONS: Final[Mapping[str, Activation]] = {
    "silu": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
}

# traits that change what is computed, with the value that means "not used"
_UNKNOWN_TRAITS: Final[Mapping[str, object]] = {
    "num_experts": 0,
    "num_local_experts": 0,
    "n_routed_experts": 0,
    "attn_logit_softcapping": 0.0,
    "final_logit_softcapping": 0.0,
    "use_bidirectional_attention": False,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
    "quantization_config": False,
    "attention_chunk_size": 0,
}

_LAYER_KINDS: Final = ("full_attention", "sliding_attention")
_Windows = Callable[[JsonFields, int], set[int]]


def _all_slide(fields: JsonFields, num_layers: int) -> set[int]:
    return set(range(num_layers)) if "sliding_window" in fields else set()


def _late_ones_slide(fields: JsonFields, num_layers: int) -> set[int]:
    if not fields.get_bool("use_sliding_window", default=False):
        return set()
    return set(range(max(0, fields.get_int("max_window_layers", default=28)), num_layers))


def _unrotated_slide(fields: JsonFields, num_layers: int) -> set[int]:
    slides = fields.get_bool("use_sliding_window", default=False)
    return set(_find_unrotated(fields, num_layers)) if slides else set()


def _by_pattern(fields: JsonFields, num_layers: int) -> set[int]:
    written = "sliding_window_pattern" in fields
    key = "sliding_window_pattern" if written else "_sliding_window_pattern"
    pattern = fields.get_int(key, default=6)
    if pattern < 1:
        raise ModelConfigError(f"{fields.name}: {key} must be above zero, got {pattern}")
    return {layer for layer in range(num_layers) if (layer + 1) % pattern}


def _none_slide(_: JsonFields, __: int) -> set[int]:
    return set()


@dataclass(frozen=True, slots=True)
class _Family:
    """What a family's config.json leaves unsaid."""

    tie: bool = False
    theta: float = 10_000.0
    head_dim: int | None = None  # None: d_model / num_heads
    qkv_bias: bool = False  # whatever `attention_bias` says
    qk_norm: bool = False
    windows: _Windows = _none_slide
    window: int | None = None
    defaults: Mapping[str, int] | None = None


_GEMMA_DEFAULTS: Final = {
    "vocab_size": 262_208,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "max_position_embeddings": 131_072,
}
_GEMMA: Final = _Family(
    tie=True, theta=1e6, head_dim=256, qk_norm=True, windows=_by_pattern, window=4096,
    defaults=_GEMMA_DEFAULTS,
)  # fmt: skip
_FAMILIES: Final[Mapping[str, _Family]] = {
    "llama": _Family(),
    "mistral": _Family(windows=_all_slide),
    "smollm3": _Family(tie=True, theta=2e6, windows=_unrotated_slide),
    "qwen2": _Family(qkv_bias=True, windows=_late_ones_slide, window=4096),
    "qwen3": _Family(head_dim=128, qk_norm=True, windows=_late_ones_slide, window=4096),
    "gemma3": _GEMMA,
}
# how a checkpoint may call a family, beside the family's own name
_ALIASES: Final = {"gemma3_text": "gemma3"}


def read_huggingface_config(fields: JsonFields) -> ModelConfig:
    """Raises UnsupportedModelError for another architecture or a trait not computed here,
    ModelConfigError for contradictory numbers, WeightsFileError for a missing or mistyped field.
    """
    name = fields.get_str("model_type")
    if name == "gemma3":  # the model inside the one that also sees pictures
        fields = fields.get_object("text_config")
    _refuse_unknown_traits(fields)
    if name == "gpt2":
        return _read_gpt2(fields)
    name = _ALIASES.get(name, name)
    if name not in _FAMILIES:
        raise UnsupportedModelError(
            f"{fields.name} describes a {name!r} model; this engine runs "
            f"{', '.join((*_FAMILIES, 'gpt2'))}"
        )
    config = _read_rotary(fields, name, _FAMILIES[name])
    return _as_gemma3(fields, config) if name == "gemma3" else config


def _read_rotary(fields: JsonFields, name: str, family: _Family) -> ModelConfig:
    defaults = family.defaults or {}
    d_model = fields.get_int("hidden_size")
    num_layers = fields.get_int("num_hidden_layers")
    if num_layers > MAX_LAYERS:  # before listing what each of them does
        raise ModelConfigError(f"num_layers must be at most {MAX_LAYERS}, got {num_layers}")
    num_heads = fields.get_int("num_attention_heads", default=defaults.get("num_attention_heads"))
    num_kv_heads = defaults.get("num_key_value_heads", num_heads)
    head_dim = family.head_dim or (d_model // num_heads if num_heads > 0 else 0)
    sliding = _find_sliding(fields, num_layers, family)
    window = fields.get_int("sliding_window", default=family.window) if sliding else None
    rope = _select_rope(fields, "full_attention")
    has_bias = fields.get_bool("attention_bias", default=False)
    return ModelConfig(
        architecture=name,
        vocab_size=fields.get_int("vocab_size", default=defaults.get("vocab_size")),
        d_model=d_model,
        num_layers=num_layers,
        num_heads=num_heads,
        num_kv_heads=fields.get_int("num_key_value_heads", default=num_kv_heads),
        head_dim=fields.get_int("head_dim", default=head_dim),
        d_ff=fields.get_int("intermediate_size"),
        norm_eps=fields.get_float("rms_norm_eps", default=1e-6),
        max_positions=fields.get_int(
            "max_position_embeddings", default=defaults.get("max_position_embeddings")
        ),
        tie_embeddings=fields.get_bool("tie_word_embeddings", default=family.tie),
        activation=_read_activation(fields, "hidden_act", default="silu"),
        qkv_bias=has_bias or family.qkv_bias,
        out_bias=has_bias,
        ff_bias=fields.get_bool("mlp_bias", default=False),
        qk_norm=family.qk_norm,
        rope_theta=_read_theta(fields, rope, default=family.theta),
        rope_scaling=_read_rope_scaling(fields, rope),
        sliding_window=window,
        sliding_layers=frozenset(sliding),
        unrotated_layers=frozenset(
            _find_unrotated(fields, num_layers) if name == "smollm3" else ()
        ),
    )


def _as_gemma3(fields: JsonFields, config: ModelConfig) -> ModelConfig:
    local = _select_rope(fields, "sliding_attention")
    theta = fields.get_float("rope_local_base_freq", default=10_000.0)
    if local is not None:
        theta = local.get_float("rope_theta", default=theta)
        if (scaling := _read_rope_scaling(fields, local)) is not None:
            raise UnsupportedModelError(
                f"{fields.name} scales the RoPE of its sliding layers by {scaling.kind!r}"
            )
    score_dim = fields.get_float("query_pre_attn_scalar", default=256.0)
    if score_dim <= 0:
        raise ModelConfigError(f"query_pre_attn_scalar must be above zero, got {score_dim}")
    return replace(
        config,
        activation=_read_activation(fields, "hidden_activation", default="gelu_pytorch_tanh"),
        sandwich_norms=True,
        embedding_scale=math.sqrt(config.d_model),
        attention_scale=score_dim**-0.5,
        local_rope_theta=theta,
    )


def _read_gpt2(fields: JsonFields) -> ModelConfig:
    d_model = fields.get_int("n_embd", default=768)
    num_heads = fields.get_int("n_head", default=12)
    scaled = fields.get_bool("scale_attn_weights", default=True)
    return ModelConfig(
        architecture="gpt2",
        vocab_size=fields.get_int("vocab_size", default=50_257),
        d_model=d_model,
        num_layers=fields.get_int("n_layer", default=12),
        num_heads=num_heads,
        num_kv_heads=num_heads,
        head_dim=d_model // num_heads if num_heads > 0 else 0,
        d_ff=fields.get_int("n_inner", default=4 * d_model),
        norm_eps=fields.get_float("layer_norm_epsilon", default=1e-5),
        max_positions=fields.get_int("n_positions", default=1024),
        tie_embeddings=fields.get_bool("tie_word_embeddings", default=True),
        norm="layer",
        activation=_read_activation(fields, "activation_function", default="gelu_new"),
        gated=False,
        qkv_bias=True,
        out_bias=True,
        ff_bias=True,
        attention_scale=None if scaled else 1.0,
        positions="learned",
    )


def _read_activation(fields: JsonFields, key: str, *, default: str) -> Activation:
    name = fields.get_str(key, default=default)
    if name not in _ACTIVATIONS:
        raise UnsupportedModelError(
            f"{fields.name} has the activation {name!r}; supported: {', '.join(_ACTIVATIONS)}"
        )
    return _ACTIVATIONS[name]


def _find_sliding(fields: JsonFields, num_layers: int, family: _Family) -> set[int]:
    if "layer_types" not in fields:
        return family.windows(fields, num_layers)
    kinds = fields.get_strings("layer_types")
    if unknown := sorted(set(kinds) - set(_LAYER_KINDS)):
        raise UnsupportedModelError(
            f"{fields.name} has layers of {unknown[0]!r}; supported: {', '.join(_LAYER_KINDS)}"
        )
    if len(kinds) != num_layers:
        raise ModelConfigError(f"layer_types names {len(kinds)} layers, there are {num_layers}")
    return {layer for layer, kind in enumerate(kinds) if kind == "sliding_attention"}


def _find_unrotated(fields: JsonFields, num_layers: int) -> list[int]:
    if "no_rope_layers" in fields:  # spelled the other way round: 1 is a layer with RoPE
        rotated = fields.get_ints("no_rope_layers")
        return [layer for layer, rotates in enumerate(rotated[:num_layers]) if not rotates]
    interval = fields.get_int("no_rope_layer_interval", default=4)
    if interval < 1:
        raise ModelConfigError(f"no_rope_layer_interval must be above zero, got {interval}")
    return list(range(interval - 1, num_layers, interval))


def _select_rope(fields: JsonFields, kind: str) -> JsonFields | None:
    """What a checkpoint says of RoPE for one kind of layer; older ones say it once for all."""
    if "rope_parameters" in fields:
        said = fields.get_object("rope_parameters")
        return said.get_object(kind) if any(k in said for k in _LAYER_KINDS) else said
    return fields.get_object("rope_scaling") if kind == "full_attention" else None


def _read_theta(fields: JsonFields, rope: JsonFields | None, *, default: float) -> float:
    theta = fields.get_float("rope_theta", default=default)
    return theta if rope is None else rope.get_float("rope_theta", default=theta)


def _read_rope_scaling(fields: JsonFields, rope: JsonFields | None) -> RopeScaling | None:
    if rope is None:
        return None
    partial = fields.get_float("partial_rotary_factor", default=1.0)
    if rope.get_float("partial_rotary_factor", default=partial) != 1.0:
        raise UnsupportedModelError(f"{fields.name} rotates only a part of each head")
    kind = rope.get_str("rope_type", default=rope.get_str("type", default="default"))
    if kind == "default":
        return None
    if kind == "linear":
        return RopeScaling(kind="linear", factor=rope.get_float("factor"))
    if kind == "llama3":
        return RopeScaling(
            kind="llama3",
            factor=rope.get_float("factor"),
            low_freq_factor=rope.get_float("low_freq_factor"),
            high_freq_factor=rope.get_float("high_freq_factor"),
            original_max_positions=rope.get_int("original_max_position_embeddings"),
        )
    raise UnsupportedModelError(
        f"{fields.name} scales its RoPE by {kind!r}; supported: default, linear, llama3"
    )


def _refuse_unknown_traits(fields: JsonFields) -> None:
    for trait, unused in _UNKNOWN_TRAITS.items():
        if trait in fields and not fields.is_equal(trait, unused):
            raise UnsupportedModelError(
                f"{fields.name} sets {trait}, which this engine does not compute"
            )
