"""The whole Llama-architecture transformer. Knows tensors only: no text, no files, no sampling.

RMSNorm before each block, rotary positions, grouped-query attention, SwiGLU, tied or untied head.
Q, K and V are one matrix, gate and up another: fewer, larger products. Shapes ride beside values:
B sequences, T new tokens, L computed and new tokens, C = d_model, H query heads, Hkv key/value
heads, G = H / Hkv, D = head_dim, F = d_ff, V = vocabulary.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generation.engine.config import ModelConfig
from generation.engine.kv_cache import KVCache


class Linear(nn.Linear):
    """A bias-free product whose weights come from a file or from `Transformer.init_weights`."""

    def __init__(self, num_in: int, num_out: int) -> None:
        super().__init__(num_in, num_out, bias=False)

    def reset_parameters(self) -> None:
        """Leave memory untouched: drawing numbers only to replace them would cost seconds."""


class Embedding(nn.Embedding):
    def reset_parameters(self) -> None:
        """Leave memory untouched, as in `Linear`."""


class Rope(nn.Module):
    """Rotary position tables (max_positions, D); dimension i turns with i + D / 2."""

    cos: Tensor
    sin: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        half = config.head_dim // 2
        frequencies = config.rope_theta ** -(torch.arange(half, dtype=torch.float32) / half)
        angles = torch.outer(torch.arange(config.max_positions, dtype=torch.float32), frequencies)
        self.register_buffer("cos", angles.cos().repeat(1, 2), persistent=False)
        # the rotation's minus sign lives in the table: one multiplication less per layer
        self.register_buffer("sin", torch.cat((-angles.sin(), angles.sin()), -1), persistent=False)

    def at(self, start: int, num_tokens: int) -> tuple[Tensor, Tensor]:
        end = start + num_tokens
        return self.cos[start:end, None], self.sin[start:end, None]  # (T, 1, D) each


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    left, right = x.chunk(2, dim=-1)  # (B, T, heads, D / 2) each
    return torch.addcmul(x * cos, torch.cat((right, left), dim=-1), sin)  # (B, T, heads, D)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Grouped-query attention: q (B, T, H, D); k, v (B, Hkv, L, D); mask (T, L) -> (B, T, H * D).

    Without a mask, T > 1 new tokens are the whole sequence (T = L) and attention is causal.
    """
    batch, num_new, num_heads, head_dim = q.shape
    num_kv_heads, length = k.shape[1], k.shape[2]
    groups = num_heads // num_kv_heads
    if num_new == 1:
        # fold the heads that share keys into rows: 5 to 9 times faster than repeating the keys
        q = q.view(batch, num_kv_heads, groups, head_dim)  # (B, Hkv, G, D)
        out = F.scaled_dot_product_attention(q, k, v)  # (B, Hkv, G, D)
        return out.reshape(batch, 1, num_heads * head_dim)  # (B, 1, H * D)
    q = q.view(batch, num_new, num_kv_heads, groups, head_dim)  # (B, T, Hkv, G, D)
    q = q.permute(0, 2, 3, 1, 4).flatten(0, 1)  # (B * Hkv, G, T, D)
    k = k.flatten(0, 1)[:, None].expand(-1, groups, length, -1)  # (B * Hkv, G, L, D), no copy
    v = v.flatten(0, 1)[:, None].expand(-1, groups, length, -1)
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
    out = out.view(batch, num_kv_heads, groups, num_new, head_dim)  # (B, Hkv, G, T, D)
    return out.permute(0, 3, 1, 2, 4).reshape(batch, num_new, num_heads * head_dim)


class Attention(nn.Module):
    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.num_heads = config.num_heads
        self.num_kv_heads = config.num_kv_heads
        self.head_dim = config.head_dim
        self.qkv = Linear(config.d_model, config.q_size + 2 * config.kv_size)
        self.out = Linear(config.q_size, config.d_model)

    def forward(
        self, x: Tensor, rope: tuple[Tensor, Tensor], mask: Tensor | None, cache: KVCache | None
    ) -> Tensor:
        batch, num_new, _ = x.shape
        num_rotated = self.num_heads + self.num_kv_heads
        qkv = self.qkv(x).view(batch, num_new, -1, self.head_dim)  # (B, T, H + 2 Hkv, D)
        qk = rotate(qkv[:, :, :num_rotated], *rope)  # (B, T, H + Hkv, D)
        q = qk[:, :, : self.num_heads]  # (B, T, H, D)
        k = qk[:, :, self.num_heads :].transpose(1, 2)  # (B, Hkv, T, D)
        v = qkv[:, :, num_rotated:].transpose(1, 2)  # (B, Hkv, T, D)
        if cache is not None:
            k, v = (t[None] for t in cache.append(self.layer, k[0], v[0]))  # (1, Hkv, L, D)
        out: Tensor = self.out(attend(q, k, v, mask))  # (B, T, C)
        return out


class FeedForward(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_up = Linear(config.d_model, 2 * config.d_ff)
        self.down = Linear(config.d_ff, config.d_model)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up(x).chunk(2, dim=-1)  # (B, T, F) each
        out: Tensor = self.down(F.silu(gate) * up)  # (B, T, C)
        return out


class Block(nn.Module):
    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(config.d_model, eps=config.rms_norm_eps)
        self.attention = Attention(config, layer)
        self.feed_forward_norm = nn.RMSNorm(config.d_model, eps=config.rms_norm_eps)
        self.feed_forward = FeedForward(config)

    def forward(
        self, x: Tensor, rope: tuple[Tensor, Tensor], mask: Tensor | None, cache: KVCache | None
    ) -> Tensor:
        x = x + self.attention(self.attention_norm(x), rope, mask, cache)  # (B, T, C)
        out: Tensor = x + self.feed_forward(self.feed_forward_norm(x))  # (B, T, C)
        return out


class Transformer(nn.Module):
    """Token ids to logits. Weights are uninitialised memory until loaded or drawn."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = Embedding(config.vocab_size, config.d_model)
        self.rope = Rope(config)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.num_layers))
        self.norm = nn.RMSNorm(config.d_model, eps=config.rms_norm_eps)
        self.head = None if config.tie_embeddings else Linear(config.d_model, config.vocab_size)

    def forward(
        self, tokens: Tensor, cache: KVCache | None = None, *, last_only: bool = False
    ) -> Tensor:
        """tokens (B, T) -> float32 logits (B, T, V), or (B, 1, V) with `last_only`.

        With a cache (B must be 1) the tokens follow the cached ones, and are cached themselves.
        """
        num_new, start = tokens.shape[1], 0 if cache is None else cache.length
        rope, mask = self.rope.at(start, num_new), self._mask(start, num_new)
        x = self.embedding(tokens)  # (B, T, C)
        for block in self.blocks:
            x = block(x, rope, mask, cache)
        if cache is not None:
            cache.advance(num_new)
        x = self.norm(x[:, -1:] if last_only else x)
        head = self.embedding if self.head is None else self.head
        return F.linear(x, head.weight).float()  # (B, T, V)

    def _mask(self, start: int, num_new: int) -> Tensor | None:
        """Added to scores (T, L): a token sees the cached ones and the new ones up to itself."""
        if start == 0 or num_new == 1:
            return None  # attend() is causal by itself, or there is nothing to hide
        weight = self.embedding.weight
        hidden = torch.full(
            (num_new, start + num_new), -torch.inf, dtype=weight.dtype, device=weight.device
        )
        return hidden.triu(start + 1)

    def new_cache(self, max_tokens: int) -> KVCache:
        weight = self.embedding.weight
        return KVCache(self.config, max_tokens=max_tokens, dtype=weight.dtype, device=weight.device)

    def init_weights(self, *, seed: int, std: float = 0.02) -> None:
        """Draw every matrix from a normal distribution and set every norm to one."""
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in self.parameters():
                if parameter.dim() == 1:
                    parameter.fill_(1.0)
                else:
                    parameter.normal_(0.0, std, generator=generator)
