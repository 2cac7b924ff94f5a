"""The numbers and switches that describe a transformer. Refuses numbers that do not agree.

One block serves every family; a family is a set of values here, read from its files by
`huggingface_config` and `gguf_config`.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

from generation.engine.errors import ModelConfigError

# tables are built for every position: a damaged file must not ask for more memory than there is
MAX_POSITIONS: Final = 1 << 20
MAX_TABLE_VALUES: Final = 1 << 27
MAX_LAYERS: Final = 1 << 12

Norm = Literal["rms", "layer"]
Activation = Literal["silu", "gelu", "gelu_tanh"]
Positions = Literal["rope", "learned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RopeScaling:
    """Stretch rotary frequencies beyond the length a model was first trained on.

    kind "linear" divides every frequency by `factor`; "llama3" divides the slow ones, keeps the
    fast ones and blends between (Llama 3.1 model card; the four numbers are its own names);
    "divisors" divides each by its own, which is how GGUF files hold llama3's.
    """

    kind: Literal["linear", "llama3", "divisors"]
    factor: float = 1.0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_max_positions: int = 8192
    divisors: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not all(0 < divisor < math.inf for divisor in self.divisors):
            raise ModelConfigError("every divisor of RoPE's frequencies must be above zero")
        _check_positive(self, "factor", "low_freq_factor", "high_freq_factor")
        _check_positive(self, "original_max_positions")
        if self.kind == "llama3" and self.high_freq_factor <= self.low_freq_factor:
            raise ModelConfigError(
                f"high_freq_factor ({self.high_freq_factor}) must be above "
                f"low_freq_factor ({self.low_freq_factor})"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """A decoder-only transformer. The defaults of the switches are Llama's.

    sliding_layers: see at most the last `sliding_window` tokens, and turn by `local_rope_theta`
        where that is given. unrotated_layers: have no positions at all (SmolLM3).
    qk_norm: an RMS norm over each query and key head. sandwich_norms: a norm also after attention
        and after the feed-forward. embedding_scale: multiplies token embeddings.
    attention_scale: of scores; None is head_dim ** -0.5.
    """

    architecture: str = "llama"
    vocab_size: int
    d_model: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    d_ff: int
    norm_eps: float
    max_positions: int
    tie_embeddings: bool
    norm: Norm = "rms"
    activation: Activation = "silu"
    gated: bool = True
    qkv_bias: bool = False
    out_bias: bool = False
    ff_bias: bool = False
    qk_norm: bool = False
    sandwich_norms: bool = False
    embedding_scale: float = 1.0
    attention_scale: float | None = None
    positions: Positions = "rope"
    rope_theta: float = 10_000.0
    rope_scaling: RopeScaling | None = None
    local_rope_theta: float | None = None
    sliding_window: int | None = None
    sliding_layers: frozenset[int] = frozenset()
    unrotated_layers: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        _check_positive(
            self, "vocab_size", "d_model", "num_layers", "num_heads", "num_kv_heads", "head_dim"
        )
        _check_positive(self, "d_ff", "norm_eps", "max_positions", "embedding_scale", "rope_theta")
        for name in ("attention_scale", "local_rope_theta", "sliding_window"):
            if getattr(self, name) is not None:
                _check_positive(self, name)
        for name, most in (("max_positions", MAX_POSITIONS), ("num_layers", MAX_LAYERS)):
            if getattr(self, name) > most:
                raise ModelConfigError(f"{name} must be at most {most}, got {getattr(self, name)}")
        if self.num_heads % self.num_kv_heads:
            raise ModelConfigError(
                f"num_heads ({self.num_heads}) must be a multiple of "
                f"num_kv_heads ({self.num_kv_heads})"
            )
        if self.head_dim % 2 and self.positions == "rope":
            raise ModelConfigError(f"head_dim must be even for RoPE, got {self.head_dim}")
        if self.sliding_layers and self.sliding_window is None:
            raise ModelConfigError("sliding_layers needs a sliding_window")
        self._check_tables()

    def _check_tables(self) -> None:
        if self.positions != "rope":
            return
        if self.max_positions * self.head_dim > MAX_TABLE_VALUES:
            raise ModelConfigError(
                f"RoPE tables of {self.max_positions} positions by head_dim {self.head_dim} are "
                f"over {MAX_TABLE_VALUES} values"
            )
        scaling = self.rope_scaling
        if scaling and scaling.kind == "divisors" and len(scaling.divisors) != self.head_dim // 2:
            raise ModelConfigError(
                f"RoPE has {len(scaling.divisors)} divisors for {self.head_dim // 2} frequencies"
            )

    @property
    def q_size(self) -> int:
        return self.num_heads * self.head_dim

    @property
    def kv_size(self) -> int:
        return self.num_kv_heads * self.head_dim

    @property
    def score_scale(self) -> float:
        return self.head_dim**-0.5 if self.attention_scale is None else self.attention_scale

    def window_of(self, layer: int) -> int | None:
        """How many of the last tokens, itself included, a token sees in this layer; None: all."""
        return self.sliding_window if layer in self.sliding_layers else None


def _check_positive(record: object, *names: str) -> None:
    for name in names:
        value = getattr(record, name)
        if not 0 < value < math.inf:
            raise ModelConfigError(f"{name} must be above zero and finite, got {value}")
