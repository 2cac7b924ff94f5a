"""Models of the sizes that people run, with random weights. Downloads nothing."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import torch

from generation.engine.config import ModelConfig
from generation.engine.model import Transformer
from generation.engine.weights import assemble

_MAX_POSITIONS: Final = 4096

SMOL: Final = ModelConfig(
    vocab_size=49152,
    d_model=576,
    num_layers=30,
    num_heads=9,
    num_kv_heads=3,
    head_dim=64,
    d_ff=1536,
    norm_eps=1e-5,
    max_positions=_MAX_POSITIONS,
    tie_embeddings=True,
)
GEMMA: Final = ModelConfig(
    architecture="gemma3",
    vocab_size=262144,
    d_model=640,
    num_layers=18,
    num_heads=4,
    num_kv_heads=1,
    head_dim=256,
    d_ff=2048,
    norm_eps=1e-6,
    max_positions=_MAX_POSITIONS,
    tie_embeddings=True,
    activation="gelu_tanh",
    qk_norm=True,
    sandwich_norms=True,
    embedding_scale=640**0.5,
    rope_theta=1e6,
    local_rope_theta=1e4,
    sliding_window=512,
    sliding_layers=frozenset(layer for layer in range(18) if layer % 6 != 5),
)
QWEN: Final = ModelConfig(
    architecture="qwen3",
    vocab_size=151936,
    d_model=1024,
    num_layers=28,
    num_heads=16,
    num_kv_heads=8,
    head_dim=128,
    d_ff=3072,
    norm_eps=1e-6,
    max_positions=_MAX_POSITIONS,
    tie_embeddings=True,
    qk_norm=True,
    rope_theta=1e6,
)
LLAMA_1B: Final = ModelConfig(
    vocab_size=128256,
    d_model=2048,
    num_layers=16,
    num_heads=32,
    num_kv_heads=8,
    head_dim=64,
    d_ff=8192,
    norm_eps=1e-5,
    max_positions=_MAX_POSITIONS,
    tie_embeddings=True,
    rope_theta=5e5,
)
LLAMA_8B: Final = ModelConfig(
    vocab_size=128256,
    d_model=4096,
    num_layers=32,
    num_heads=32,
    num_kv_heads=8,
    head_dim=128,
    d_ff=14336,
    norm_eps=1e-5,
    max_positions=_MAX_POSITIONS,
    tie_embeddings=False,
    rope_theta=5e5,
)
TINY: Final = ModelConfig(
    vocab_size=97,
    d_model=64,
    num_layers=2,
    num_heads=4,
    num_kv_heads=2,
    head_dim=16,
    d_ff=96,
    norm_eps=1e-5,
    max_positions=256,
    tie_embeddings=True,
)
SIZES: Final[Mapping[str, ModelConfig]] = MappingProxyType(
    {
        "smollm2_135m": SMOL,
        "gemma3_270m": GEMMA,
        "qwen3_0_6b": QWEN,
        "llama_1b": LLAMA_1B,
        "llama_8b": LLAMA_8B,
    }
)


def build_random(config: ModelConfig, device: torch.device, dtype: torch.dtype) -> Transformer:
    """Drawn on the device itself: the largest would take minutes elsewhere."""
    with torch.device("meta"):
        shapes = Transformer(config).state_dict()
    generator = torch.Generator(device).manual_seed(0)
    weights = {}
    for name, shape in shapes.items():
        if name == "head.weight" and config.tie_embeddings:
            continue
        weight = torch.empty(shape.shape, dtype=dtype, device=device)
        if weight.dim() > 1:
            weight.normal_(0.0, 0.02, generator=generator)
        else:
            weight.fill_(0.0 if name.endswith("bias") else 1.0)
        weights[name] = weight
    return assemble(config, weights).to(device)


def count_read_bytes(model: Transformer) -> int:
    """What a step of decoding must read: every matrix, of the embeddings only a row."""
    total = sum(p.numel() * p.element_size() for p in model.parameters())
    if model.config.tie_embeddings:
        return total
    return total - model.embedding.weight.numel() * model.embedding.weight.element_size()
