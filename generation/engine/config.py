"""The numbers that describe a Llama-architecture model. Refuses numbers that do not agree."""

import math
from dataclasses import dataclass, fields

from generation.engine.errors import ModelConfigError, UnsupportedModelError
from generation.engine.gguf_file import GgufFile

SUPPORTED_ARCHITECTURES = ("llama",)
# tables are built for every position: a damaged file must not ask for more memory than there is
MAX_POSITIONS = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    vocab_size: int
    d_model: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    d_ff: int
    rope_theta: float
    rms_norm_eps: float
    max_positions: int
    tie_embeddings: bool

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "tie_embeddings" and not 0 < value < math.inf:
                raise ModelConfigError(f"{field.name} must be above zero and finite, got {value}")
        if self.max_positions > MAX_POSITIONS:
            raise ModelConfigError(
                f"max_positions must be at most {MAX_POSITIONS}, got {self.max_positions}"
            )
        if self.num_heads % self.num_kv_heads:
            raise ModelConfigError(
                f"num_heads ({self.num_heads}) must be a multiple of "
                f"num_kv_heads ({self.num_kv_heads})"
            )
        if self.head_dim % 2:
            raise ModelConfigError(f"head_dim must be even for RoPE, got {self.head_dim}")

    @property
    def q_size(self) -> int:
        return self.num_heads * self.head_dim

    @property
    def kv_size(self) -> int:
        return self.num_kv_heads * self.head_dim

    @property
    def num_groups(self) -> int:
        """Query heads that share one key/value head."""
        return self.num_heads // self.num_kv_heads


def load_config(file: GgufFile) -> ModelConfig:
    """Read a model's description from GGUF metadata.

    Raises UnsupportedModelError for another architecture or a RoPE variant not computed here,
    ModelConfigError for contradictory numbers, GgufError for a missing or mistyped key.
    """
    arch = file.get_str("general.architecture")
    if arch not in SUPPORTED_ARCHITECTURES:
        raise UnsupportedModelError(
            f"{file.path.name} holds a {arch!r} model; this engine runs "
            f"{', '.join(SUPPORTED_ARCHITECTURES)}"
        )
    _refuse_rope_scaling(file, arch)
    d_model = file.get_int(f"{arch}.embedding_length")
    num_heads = file.get_int(f"{arch}.attention.head_count")
    head_dim = d_model // num_heads if num_heads > 0 else 0
    config = ModelConfig(
        vocab_size=len(file.get_strings("tokenizer.ggml.tokens")),
        d_model=d_model,
        num_layers=file.get_int(f"{arch}.block_count"),
        num_heads=num_heads,
        num_kv_heads=file.get_int(f"{arch}.attention.head_count_kv", default=num_heads),
        head_dim=file.get_int(f"{arch}.attention.key_length", default=head_dim),
        d_ff=file.get_int(f"{arch}.feed_forward_length"),
        rope_theta=file.get_float(f"{arch}.rope.freq_base", default=10_000.0),
        rms_norm_eps=file.get_float(f"{arch}.attention.layer_norm_rms_epsilon"),
        max_positions=file.get_int(f"{arch}.context_length"),
        tie_embeddings="output.weight" not in file.tensors,
    )
    _refuse_partial_rope(file, arch, config)
    return config


def _refuse_rope_scaling(file: GgufFile, arch: str) -> None:
    scaling = file.get_str(f"{arch}.rope.scaling.type", default="none")
    if scaling != "none":
        raise UnsupportedModelError(
            f"{file.path.name} scales its RoPE by {scaling!r}; only unscaled RoPE is computed here"
        )


def _refuse_partial_rope(file: GgufFile, arch: str, config: ModelConfig) -> None:
    rotated = file.get_int(f"{arch}.rope.dimension_count", default=config.head_dim)
    value_dim = file.get_int(f"{arch}.attention.value_length", default=config.head_dim)
    if (rotated, value_dim) != (config.head_dim, config.head_dim):
        raise UnsupportedModelError(
            f"{file.path.name} rotates {rotated} of {config.head_dim} dimensions and has values of "
            f"{value_dim}; this engine needs all three equal"
        )
