"""A model's description from GGUF metadata. Refuses an architecture or trait not computed here.

Some numbers are in no file, only in the programs that read it: Gemma 3's local RoPE base and its
pattern of windows, SmolLM3's layers without positions. They are llama.cpp's (src/llama-model.cpp).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from generation.engine.config import ModelConfig, RopeScaling
from generation.engine.errors import GgufError, UnsupportedModelError
from generation.engine.gguf_file import GgufFile

_GEMMA_LOCAL_THETA: Final = 10_000.0
_GEMMA_PATTERN: Final = 6  # every sixth layer sees everything
_GEMMA_27B_LAYERS: Final = 62  # the one size that scales scores by the model's width
_SMOLLM3_UNROTATED_EVERY: Final = 4

# traits that change what is computed: a file that has one of them is not what its name says
_UNKNOWN_TRAITS: Final = (
    "expert_count",
    "attn_logit_softcapping",
    "final_logit_softcapping",
    "attention.scale",
    "attention.clamp_kqv",
    "attention.max_alibi_bias",
    "attention.temperature_scale",
    "logit_scale",
    "residual_scale",
    "embedding_scale",
    "use_parallel_residual",
)


def read_gguf_config(file: GgufFile) -> ModelConfig:
    """Raises UnsupportedModelError for another architecture or a trait not computed here,
    ModelConfigError for contradictory numbers, GgufError for a missing or mistyped key.
    """
    arch = file.get_str("general.architecture")
    if arch not in _SWITCHES:
        raise UnsupportedModelError(
            f"{file.path.name} holds a {arch!r} model; this engine runs {', '.join(_SWITCHES)}"
        )
    _refuse_unknown_traits(file, arch)
    config = _SWITCHES[arch](file, _read_common(file, arch))
    _refuse_partial_rope(file, arch, config)
    return config


def _read_common(file: GgufFile, arch: str) -> ModelConfig:
    learned = arch == "gpt2"
    eps = "layer_norm_epsilon" if learned else "layer_norm_rms_epsilon"
    d_model = file.get_int(f"{arch}.embedding_length")
    num_heads = file.get_int(f"{arch}.attention.head_count")
    head_dim = d_model // num_heads if num_heads > 0 else 0
    return ModelConfig(
        architecture=arch,
        vocab_size=len(file.get_strings("tokenizer.ggml.tokens")),
        d_model=d_model,
        num_layers=file.get_int(f"{arch}.block_count"),
        num_heads=num_heads,
        num_kv_heads=file.get_int(f"{arch}.attention.head_count_kv", default=num_heads),
        head_dim=file.get_int(f"{arch}.attention.key_length", default=head_dim),
        d_ff=file.get_int(f"{arch}.feed_forward_length"),
        norm_eps=file.get_float(f"{arch}.attention.{eps}"),
        max_positions=file.get_int(f"{arch}.context_length"),
        tie_embeddings="output.weight" not in file.tensors,
        positions="learned" if learned else "rope",
        rope_theta=file.get_float(f"{arch}.rope.freq_base", default=10_000.0),
        rope_scaling=_read_rope_scaling(file, arch),
        qkv_bias="blk.0.attn_q.bias" in file.tensors,
        out_bias="blk.0.attn_output.bias" in file.tensors,
        ff_bias="blk.0.ffn_down.bias" in file.tensors,
        qk_norm="blk.0.attn_q_norm.weight" in file.tensors,
    )


def _as_llama(file: GgufFile, config: ModelConfig) -> ModelConfig:
    window = file.get_int("llama.attention.sliding_window", default=0)  # Mistral 7B v0.1
    layers = frozenset(range(config.num_layers)) if window else frozenset[int]()
    return replace(config, sliding_window=window or None, sliding_layers=layers)


def _as_smollm3(_: GgufFile, config: ModelConfig) -> ModelConfig:
    step = _SMOLLM3_UNROTATED_EVERY
    return replace(config, unrotated_layers=frozenset(range(step - 1, config.num_layers, step)))


def _as_qwen(_: GgufFile, config: ModelConfig) -> ModelConfig:
    return config


def _as_gemma3(file: GgufFile, config: ModelConfig) -> ModelConfig:
    pattern = file.get_int("gemma3.attention.sliding_window_pattern", default=_GEMMA_PATTERN)
    layers = range(config.num_layers)
    by_width = config.num_layers == _GEMMA_27B_LAYERS
    score_dim = config.d_model // config.num_heads if by_width else config.head_dim
    return replace(
        config,
        activation="gelu_tanh",
        sandwich_norms=True,
        embedding_scale=math.sqrt(config.d_model),
        attention_scale=score_dim**-0.5,
        local_rope_theta=file.get_float("gemma3.rope.freq_base_swa", default=_GEMMA_LOCAL_THETA),
        sliding_window=file.get_int("gemma3.attention.sliding_window"),
        sliding_layers=frozenset(i for i in layers if pattern < 1 or (i + 1) % pattern),
    )


def _as_gpt2(_: GgufFile, config: ModelConfig) -> ModelConfig:
    return replace(
        config,
        norm="layer",
        activation="gelu_tanh",
        gated=False,
        qkv_bias=True,
        out_bias=True,
        ff_bias=True,
    )


_SWITCHES: Final[Mapping[str, Callable[[GgufFile, ModelConfig], ModelConfig]]] = {
    "llama": _as_llama,
    "smollm3": _as_smollm3,
    "qwen2": _as_qwen,
    "qwen3": _as_qwen,
    "gemma3": _as_gemma3,
    "gpt2": _as_gpt2,
}


def _read_rope_scaling(file: GgufFile, arch: str) -> RopeScaling | None:
    factor_key = f"{arch}.rope.scaling.factor"
    unnamed = "linear" if factor_key in file.metadata else "none"
    kind = file.get_str(f"{arch}.rope.scaling.type", default=unnamed)
    if kind not in ("none", "linear"):
        raise UnsupportedModelError(
            f"{file.path.name} scales its RoPE by {kind!r}; supported: none, linear, llama3"
        )
    if "rope_freqs.weight" in file.tensors:  # how GGUF spells llama3's scaling
        divisors = file.load_tensor("rope_freqs.weight")
        if kind != "none" or divisors.ndim != 1:
            raise GgufError(f"{file.path.name} scales its RoPE in two ways; fetch the file again")
        return RopeScaling(kind="divisors", divisors=tuple(divisors.tolist()))
    factor = file.get_float(factor_key, default=1.0)
    return None if kind == "none" or factor == 1.0 else RopeScaling(kind="linear", factor=factor)


def _refuse_unknown_traits(file: GgufFile, arch: str) -> None:
    for trait in _UNKNOWN_TRAITS:
        if file.metadata.get(f"{arch}.{trait}"):
            raise UnsupportedModelError(
                f"{file.path.name} sets {arch}.{trait}, which this engine does not compute"
            )
    if file.metadata.get("split.count", 1) != 1:
        raise UnsupportedModelError(f"{file.path.name} is one part of several; join them first")


def _refuse_partial_rope(file: GgufFile, arch: str, config: ModelConfig) -> None:
    rotated = file.get_int(f"{arch}.rope.dimension_count", default=config.head_dim)
    value_dim = file.get_int(f"{arch}.attention.value_length", default=config.head_dim)
    if (rotated, value_dim) != (config.head_dim, config.head_dim):
        raise UnsupportedModelError(
            f"{file.path.name} rotates {rotated} of {config.head_dim} dimensions and has values of "
            f"{value_dim}; this engine needs all three equal"
        )
