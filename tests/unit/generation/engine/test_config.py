"""What config.json and GGUF metadata say is understood, or refused by name."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import pytest

from generation.engine.config import ModelConfig, RopeScaling
from generation.engine.errors import (
    EngineError,
    ModelConfigError,
    UnsupportedModelError,
    WeightsFileError,
)
from generation.engine.gguf_config import read_gguf_config
from generation.engine.gguf_file import GgufFile
from generation.engine.huggingface_config import read_huggingface_config
from generation.engine.json_fields import JsonFields, load_json
from tests.unit.generation.engine.tiny import tiny_config

LLAMA = {
    "model_type": "llama",
    "vocab_size": 97,
    "hidden_size": 64,
    "num_hidden_layers": 8,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
}


def read(changes: Mapping[str, Any]) -> ModelConfig:
    return read_huggingface_config(JsonFields({**LLAMA, **changes}, name="config.json"))


def refusal(changes: Mapping[str, Any], kind: type[EngineError] = UnsupportedModelError) -> str:
    with pytest.raises(kind) as caught:
        read(changes)
    return str(caught.value)


def test_what_a_checkpoint_leaves_out_has_its_familys_default() -> None:
    assert (read({}).num_kv_heads, read({}).head_dim) == (4, 16)
    assert not read({}).tie_embeddings
    assert read({"model_type": "qwen3"}).head_dim == 128
    assert read({"model_type": "qwen2"}).qkv_bias
    assert read({"model_type": "smollm3"}).unrotated_layers == {3, 7}
    assert read({"model_type": "smollm3"}).rope_theta == 2e6


def test_the_small_print_of_a_large_gemma_is_known() -> None:
    text = {
        "hidden_size": 2560,
        "intermediate_size": 10_240,
        "num_hidden_layers": 34,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        "sliding_window": 1024,
    }
    config = read_huggingface_config(
        JsonFields({"model_type": "gemma3", "text_config": text}, name="config.json")
    )
    assert (config.num_heads, config.num_kv_heads, config.head_dim) == (8, 4, 256)
    assert (config.vocab_size, config.max_positions) == (262_208, 131_072)
    assert (config.rope_theta, config.local_rope_theta) == (1e6, 1e4)
    assert config.rope_scaling == RopeScaling(kind="linear", factor=8.0)
    assert config.sliding_layers == set(range(34)) - {5, 11, 17, 23, 29}
    assert config.tie_embeddings
    assert config.attention_scale == 256**-0.5


def test_rope_is_read_as_checkpoints_spelt_it_before() -> None:
    llama3 = {
        "type": "llama3",
        "factor": 32,
        "low_freq_factor": 1,
        "high_freq_factor": 4,
        "original_max_position_embeddings": 8192,
    }
    config = read({"rope_theta": 500_000, "rope_scaling": llama3})
    assert config.rope_theta == 500_000.0
    assert config.rope_scaling == RopeScaling(
        kind="llama3", factor=32.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_positions=8192,
    )  # fmt: skip


def test_windows_follow_the_layers_that_slide() -> None:
    qwen = {"model_type": "qwen2", "sliding_window": 32, "max_window_layers": 5}
    assert read(qwen).sliding_window is None
    assert read({**qwen, "use_sliding_window": True}).sliding_layers == {5, 6, 7}
    assert read({"model_type": "mistral", "sliding_window": 32}).sliding_layers == set(range(8))
    assert read({"model_type": "mistral", "sliding_window": None}).sliding_layers == set()
    kinds = ["sliding_attention"] * 7 + ["full_attention"]
    named = read({"model_type": "qwen3", "sliding_window": 32, "layer_types": kinds})
    assert named.sliding_layers == set(range(7))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"model_type": "mamba"}, "'mamba'"),
        ({"model_type": "mixtral"}, "'mixtral'"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "'yarn'"),
        ({"rope_parameters": {"rope_type": "dynamic", "factor": 4.0}}, "'dynamic'"),
        ({"rope_scaling": {"type": "longrope"}}, "'longrope'"),
        ({"partial_rotary_factor": 0.5}, "only a part"),
        ({"rope_parameters": {"partial_rotary_factor": 0.25}}, "only a part"),
        ({"num_local_experts": 8}, "num_local_experts"),
        ({"attn_logit_softcapping": 50.0}, "attn_logit_softcapping"),
        ({"final_logit_softcapping": 30.0}, "final_logit_softcapping"),
        ({"use_bidirectional_attention": True}, "use_bidirectional_attention"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantization_config"),
        ({"hidden_act": "relu2"}, "'relu2'"),
        ({"layer_types": ["chunked_attention"] * 8}, "'chunked_attention'"),
        ({"model_type": "gpt2", "scale_attn_by_inverse_layer_idx": True}, "inverse_layer_idx"),
    ],
)
def test_what_is_not_computed_is_refused_by_name(changes: dict[str, Any], named: str) -> None:
    assert named in refusal(changes)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"hidden_size": "64"}, "'hidden_size' is str, expected int"),
        ({"hidden_size": True}, "'hidden_size' is bool"),
        ({"hidden_size": None}, "has no 'hidden_size'"),
        ({"rope_theta": 10**400}, "too large"),
        ({"rope_scaling": [1]}, "expected object"),
        ({"model_type": 3}, "'model_type'"),
    ],
)
def test_a_mistyped_field_is_named(changes: dict[str, Any], named: str) -> None:
    assert named in refusal(changes, WeightsFileError)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"num_hidden_layers": 10**12}, "num_layers"),
        ({"num_attention_heads": 0}, "num_heads"),
        ({"max_position_embeddings": 10**9}, "max_positions"),
        ({"layer_types": ["full_attention"]}, "layer_types"),
        ({"model_type": "smollm3", "no_rope_layer_interval": 0}, "no_rope_layer_interval"),
        ({"rms_norm_eps": -1.0}, "norm_eps"),
        ({"rope_theta": float("nan")}, "rope_theta"),
    ],
)
def test_numbers_that_cannot_be_are_named(changes: dict[str, Any], named: str) -> None:
    assert named in refusal(changes, ModelConfigError)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"num_layers": 0}, "num_layers"),
        ({"num_kv_heads": 3}, "num_heads"),
        ({"head_dim": 15}, "head_dim"),
        ({"max_positions": 2**30}, "max_positions"),
        ({"max_positions": 2**20, "head_dim": 2**10}, "RoPE tables"),
        ({"sliding_layers": frozenset({1})}, "sliding_window"),
        ({"rope_scaling": RopeScaling(kind="divisors", divisors=(1.0,))}, "1 divisors for 8"),
    ],
)
def test_contradictory_numbers_name_the_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ModelConfigError, match=field):
        tiny_config(**changes)


def test_a_file_that_is_no_object_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    for content, reason in (("[]", "expected an object"), ("{", "no JSON"), ("[" * 10**5, "JSON")):
        path.write_text(content)
        with pytest.raises(WeightsFileError, match=reason):
            load_json(path)
    path.write_text(json.dumps({"a": 1}))
    assert load_json(path).get_int("a") == 1


GGUF_KEYS = {
    "embedding_length": 64,
    "block_count": 8,
    "feed_forward_length": 96,
    "attention.head_count": 4,
    "context_length": 64,
    "attention.layer_norm_rms_epsilon": 2**-17,
}


def read_gguf(path: Path, changes: Mapping[str, Any], *, arch: str = "llama") -> ModelConfig:
    writer = gguf.GGUFWriter(path, arch)
    for key, value in {**GGUF_KEYS, **changes}.items():
        full = key if key.startswith("split") else f"{arch}.{key}"
        if isinstance(value, str):
            writer.add_string(full, value)
        elif isinstance(value, float):
            writer.add_float32(full, value)
        else:
            writer.add_uint32(full, value)
    writer.add_token_list(["a", "b"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with GgufFile(path) as file:
        return read_gguf_config(file)


def test_a_gguf_gemma_has_what_no_file_says(tmp_path: Path) -> None:
    window = {"attention.sliding_window": 512}
    config = read_gguf(tmp_path / "g.gguf", window, arch="gemma3")
    assert config.sliding_layers == {0, 1, 2, 3, 4, 6, 7}
    assert config.local_rope_theta == 10_000.0
    assert config.embedding_scale == 8.0
    assert config.score_scale == 16**-0.5
    large = {**window, "block_count": 62, "embedding_length": 128, "attention.key_length": 16}
    config = read_gguf(tmp_path / "l.gguf", large, arch="gemma3")
    assert config.score_scale == 32**-0.5


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"rope.scaling.type": "yarn"}, "'yarn'"),
        ({"expert_count": 8}, "expert_count"),
        ({"final_logit_softcapping": 30.0}, "final_logit_softcapping"),
        ({"rope.dimension_count": 8}, "rotates 8 of 16"),
        ({"split.count": 3}, "one part of several"),
    ],
)
def test_what_is_not_computed_is_refused_in_gguf_too(
    tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(UnsupportedModelError, match=named):
        read_gguf(tmp_path / "tiny.gguf", changes)
