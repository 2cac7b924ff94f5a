"""The whole transformer. Knows tensors only: no text, no files, no sampling, no cache layout.

One block for every family, with the switches of `ModelConfig`: which norm and where, gated or
plain feed-forward, biases, rotary or learned positions, windows. Q, K and V are one matrix, gate
and up another: fewer, larger products. A batch is ragged: the N new tokens of all its sequences
lie one after the other, each with its position; only attention knows which belong together.
Shapes ride beside values: C = d_model, H query heads, Hkv key/value heads, D = head_dim, F = d_ff,
V = vocabulary.
"""

import math
from collections.abc import Callable, Mapping
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generation.engine.attention import AttentionContext, LayerAttention
from generation.engine.config import Activation, ModelConfig, RopeScaling


class Linear(nn.Linear):
    """A product whose weights come from a file or from `Transformer.init_weights`."""

    def __init__(self, num_in: int, num_out: int, *, bias: bool = False) -> None:
        super().__init__(num_in, num_out, bias=bias)

    def reset_parameters(self) -> None:
        """Leave memory untouched: drawing numbers only to replace them would cost seconds."""


class Embedding(nn.Embedding):
    def reset_parameters(self) -> None:
        """Leave memory untouched, as in `Linear`."""


class RmsNorm(nn.Module):
    def __init__(self, size: int, *, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)


class LayerNorm(nn.Module):
    def __init__(self, size: int, *, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(size))
        self.bias = nn.Parameter(torch.empty(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


_ACTIVATIONS: Final[Mapping[Activation, Callable[[Tensor], Tensor]]] = {
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
}


def build_norm(config: ModelConfig) -> nn.Module:
    kind = RmsNorm if config.norm == "rms" else LayerNorm
    return kind(config.d_model, eps=config.norm_eps)


class Rope(nn.Module):
    """Rotary position tables (max_positions, D); dimension i turns with i + D / 2."""

    cos: Tensor
    sin: Tensor

    def __init__(self, config: ModelConfig, *, theta: float, scaling: RopeScaling | None) -> None:
        super().__init__()
        half = config.head_dim // 2
        # real memory even in a model that is built on the meta device, for weights to come
        with torch.device("cpu"):
            frequencies = theta ** -(torch.arange(half, dtype=torch.float32) / half)
            frequencies = scale_frequencies(frequencies, scaling)
            places = torch.arange(config.max_positions, dtype=torch.float32)
        angles = torch.outer(places, frequencies)
        self.register_buffer("cos", angles.cos().repeat(1, 2), persistent=False)
        # the rotation's minus sign lives in the table: one multiplication less per layer
        self.register_buffer("sin", torch.cat((-angles.sin(), angles.sin()), -1), persistent=False)

    def forward(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        return self.cos[positions][:, None], self.sin[positions][:, None]  # (N, 1, D) each


def scale_frequencies(frequencies: Tensor, scaling: RopeScaling | None) -> Tensor:
    """Frequencies (D / 2,) for longer texts than the model was first trained on."""
    if scaling is None:
        return frequencies
    if scaling.kind == "divisors":
        return frequencies / torch.tensor(scaling.divisors)
    slowed = frequencies / scaling.factor
    if scaling.kind == "linear":
        return slowed
    turns = scaling.original_max_positions * frequencies / (2 * math.pi)  # over the first length
    low, high = scaling.low_freq_factor, scaling.high_freq_factor
    kept = ((turns - low) / (high - low)).clamp(0, 1)  # 0: slow, 1: fast, between: blended
    return kept * frequencies + (1 - kept) * slowed


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    left, right = x.chunk(2, dim=-1)  # (N, heads, D / 2) each
    return torch.addcmul(x * cos, torch.cat((right, left), dim=-1), sin)  # (N, heads, D)


class Attention(nn.Module):
    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.layer = LayerAttention(layer, config.score_scale, config.window_of(layer))
        self.num_heads = config.num_heads
        self.num_kv_heads = config.num_kv_heads
        self.head_dim = config.head_dim
        self.rotates = config.positions == "rope" and layer not in config.unrotated_layers
        qkv_size = config.q_size + 2 * config.kv_size
        self.qkv = Linear(config.d_model, qkv_size, bias=config.qkv_bias)
        self.out = Linear(config.q_size, config.d_model, bias=config.out_bias)
        self.q_norm: nn.Module | None = None
        self.k_norm: nn.Module | None = None
        if config.qk_norm:
            self.q_norm = RmsNorm(config.head_dim, eps=config.norm_eps)
            self.k_norm = RmsNorm(config.head_dim, eps=config.norm_eps)

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor], context: AttentionContext) -> Tensor:
        num_tokens = x.shape[0]
        num_qk = self.num_heads + self.num_kv_heads
        qkv = self.qkv(x).view(num_tokens, -1, self.head_dim)  # (N, H + 2 Hkv, D)
        qk, v = qkv[:, :num_qk], qkv[:, num_qk:]  # (N, H + Hkv, D), (N, Hkv, D)
        if self.q_norm is not None and self.k_norm is not None:
            q, k = self.q_norm(qk[:, : self.num_heads]), self.k_norm(qk[:, self.num_heads :])
            qk = torch.cat((q, k), dim=1)
        if self.rotates:
            qk = rotate(qk, *rope)
        q, k = qk[:, : self.num_heads], qk[:, self.num_heads :]  # (N, H, D), (N, Hkv, D)
        out: Tensor = self.out(context.attend(self.layer, q, k, v))  # (N, C)
        return out


class GatedFeedForward(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_up = Linear(config.d_model, 2 * config.d_ff, bias=config.ff_bias)
        self.down = Linear(config.d_ff, config.d_model, bias=config.ff_bias)
        self.activate = _ACTIVATIONS[config.activation]

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up(x).chunk(2, dim=-1)  # (N, F) each
        out: Tensor = self.down(self.activate(gate) * up)  # (N, C)
        return out


class PlainFeedForward(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.up = Linear(config.d_model, config.d_ff, bias=config.ff_bias)
        self.down = Linear(config.d_ff, config.d_model, bias=config.ff_bias)
        self.activate = _ACTIVATIONS[config.activation]

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down(self.activate(self.up(x)))  # (N, C)
        return out


class Block(nn.Module):
    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.is_local = layer in config.sliding_layers and config.local_rope_theta is not None
        self.attention_norm = build_norm(config)
        self.attention = Attention(config, layer)
        self.feed_forward_norm = build_norm(config)
        self.feed_forward = GatedFeedForward(config) if config.gated else PlainFeedForward(config)
        sandwich = config.sandwich_norms
        self.attention_out_norm = build_norm(config) if sandwich else nn.Identity()
        self.feed_forward_out_norm = build_norm(config) if sandwich else nn.Identity()

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor], context: AttentionContext) -> Tensor:
        attended = self.attention(self.attention_norm(x), rope, context)  # (N, C)
        x = x + self.attention_out_norm(attended)
        out: Tensor = x + self.feed_forward_out_norm(self.feed_forward(self.feed_forward_norm(x)))
        return out  # (N, C)


class Transformer(nn.Module):
    """Token ids to logits. Weights are uninitialised memory until loaded or drawn."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = Embedding(config.vocab_size, config.d_model)
        self.position_embedding: Embedding | None = None
        self.rope: Rope | None = None
        self.local_rope: Rope | None = None
        if config.positions == "learned":
            self.position_embedding = Embedding(config.max_positions, config.d_model)
        else:
            self.rope = Rope(config, theta=config.rope_theta, scaling=config.rope_scaling)
        if config.local_rope_theta is not None:
            self.local_rope = Rope(config, theta=config.local_rope_theta, scaling=None)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.num_layers))
        self.norm = build_norm(config)
        self.head = Linear(config.d_model, config.vocab_size)
        if config.tie_embeddings:
            self.head.weight = self.embedding.weight

    @property
    def dtype(self) -> torch.dtype:
        """Number format of activations, keys and values."""
        return self.embedding.weight.dtype

    @property
    def device(self) -> torch.device:
        return self.embedding.weight.device

    def forward(self, tokens: Tensor, positions: Tensor, context: AttentionContext) -> Tensor:
        """tokens, positions (N,) -> hidden states (N, C), normed, for `logits`."""
        x = self.embed(tokens)  # (N, C)
        if self.position_embedding is not None:
            x = x + self.position_embedding(positions)
        rope = self._turns(self.rope, positions)
        local = self._turns(self.local_rope, positions)
        for block in self.blocks:
            x = block(x, local if block.is_local else rope, context)
        hidden: Tensor = self.norm(x)
        return hidden

    def embed(self, tokens: Tensor) -> Tensor:
        """tokens (N,) -> (N, C), before positions are added."""
        x: Tensor = self.embedding(tokens)
        if self.config.embedding_scale == 1.0:
            return x
        # rounded to the weights' format first, as these models were trained
        return x * torch.tensor(self.config.embedding_scale, dtype=x.dtype)

    def logits(self, hidden: Tensor) -> Tensor:
        """hidden (R, C) -> float32 logits (R, V)."""
        out: Tensor = self.head(hidden)
        return out.float()

    @staticmethod
    def _turns(rope: Rope | None, positions: Tensor) -> tuple[Tensor, Tensor]:
        if rope is None:
            return positions, positions  # never read: no layer rotates
        cos, sin = rope(positions)
        return cos, sin

    def init_weights(self, *, seed: int, std: float = 0.02) -> None:
        """Draw every matrix from a normal distribution; norms become one, biases zero."""
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if parameter.dim() > 1:
                    parameter.normal_(0.0, std, generator=generator)
                else:
                    parameter.fill_(0.0 if name.endswith("bias") else 1.0)
