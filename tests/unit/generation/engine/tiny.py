"""Models small enough for unit tests: a tiny Transformer, a scripted fake, tiny files."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType
from torch import Tensor

from generation.engine.config import ModelConfig
from generation.engine.model import Transformer

TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content']"
    " + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
CONTROL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MERGES = ("h e", "l l", "he ll", "hell o", "Ġ w", "o r", "Ġw or", "Ċ Ċ", "i m")


def tiny_config(**changes: Any) -> ModelConfig:
    return replace(
        ModelConfig(
            vocab_size=97,
            d_model=64,
            num_layers=3,
            num_heads=4,
            num_kv_heads=2,
            head_dim=16,
            d_ff=96,
            rope_theta=10_000.0,
            norm_eps=2**-17,  # exact in float32, which is how GGUF stores it
            max_positions=64,
            tie_embeddings=True,
        ),
        **changes,
    )


def tiny_transformer(*, seed: int = 0, **changes: Any) -> Transformer:
    model = Transformer(tiny_config(**changes)).eval().requires_grad_(requires_grad=False)
    # far from zero, so that attention and positions matter
    model.init_weights(seed=seed, std=0.3)
    return model


@dataclass
class ScriptedModel:
    """After token t it wants t + 1, then t + 2 a little less; it remembers what it was fed.

    Hidden states are the tokens themselves; keys and values are left alone.
    """

    config: ModelConfig = field(default_factory=tiny_config)
    calls: list[list[int]] = field(default_factory=list)
    fail_on_call: int | None = None
    dtype: torch.dtype = torch.float32
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def __call__(self, tokens: Tensor, positions: Tensor, context: object) -> Tensor:
        self.calls.append(tokens.tolist())
        if len(self.calls) == self.fail_on_call:
            raise RuntimeError("the accelerator went away")
        return tokens[:, None].float()  # (N, 1)

    def logits(self, hidden: Tensor) -> Tensor:
        logits = torch.zeros(hidden.shape[0], self.config.vocab_size)
        for rank, height in ((1, 10.0), (2, 9.0)):
            wanted = (hidden.long() + rank) % self.config.vocab_size  # (R, 1)
            logits.scatter_(1, wanted, height)
        return logits


def byte_tokens() -> list[str]:
    """A vocabulary of control tokens, all bytes, and what the merges make."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    stand_ins = [chr(byte) for byte in printable]
    stand_ins += [chr(256 + i) for i in range(256 - len(printable))]
    return [*CONTROL_TOKENS, *stand_ins, *(merge.replace(" ", "") for merge in MERGES)]


def write_gguf(
    path: Path,
    tensors: dict[str, np.ndarray],
    config: ModelConfig,
    *,
    matrix_type: GGMLQuantizationType = GGMLQuantizationType.F32,
    architecture: str | None = None,
) -> Path:
    """Write `tensors` (GGUF names, rows first); matrices in `matrix_type`, vectors in float32."""
    writer = gguf.GGUFWriter(path, architecture or config.architecture)
    _write_config(writer, config)
    _write_tokenizer(writer, config.vocab_size)
    for name, values in tensors.items():
        kind = matrix_type if values.ndim == 2 else GGMLQuantizationType.F32
        packed = gguf.quants.quantize(values.astype(np.float32), kind)
        writer.add_tensor(name, packed, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _write_config(writer: gguf.GGUFWriter, config: ModelConfig) -> None:
    writer.add_context_length(config.max_positions)
    writer.add_embedding_length(config.d_model)
    writer.add_block_count(config.num_layers)
    writer.add_feed_forward_length(config.d_ff)
    writer.add_head_count(config.num_heads)
    writer.add_head_count_kv(config.num_kv_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_rope_freq_base(config.rope_theta)
    if config.norm == "rms":
        writer.add_layer_norm_rms_eps(config.norm_eps)
    else:
        writer.add_layer_norm_eps(config.norm_eps)
    if config.sliding_window is not None:
        writer.add_sliding_window(config.sliding_window)
    if config.rope_scaling is not None and config.rope_scaling.kind == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(config.rope_scaling.factor)


def _write_tokenizer(writer: gguf.GGUFWriter, vocab_size: int) -> None:
    tokens = byte_tokens()[:vocab_size]
    tokens += [f"<unused_{i}>" for i in range(vocab_size - len(tokens))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if i < len(CONTROL_TOKENS) else 1 for i in range(vocab_size)])
    writer.add_token_merges(list(MERGES))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(TEMPLATE)


def tiny_tensors(config: ModelConfig, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights of a whole model under their GGUF names."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.3, shape).astype(np.float32)

    width = config.d_model
    tensors = {
        "token_embd.weight": draw(config.vocab_size, width),
        "output_norm.weight": draw(width),
    }
    if not config.tie_embeddings:
        tensors["output.weight"] = draw(config.vocab_size, width)
    for layer in range(config.num_layers):
        tensors |= {
            f"blk.{layer}.attn_norm.weight": draw(width),
            f"blk.{layer}.attn_q.weight": draw(config.q_size, width),
            f"blk.{layer}.attn_k.weight": draw(config.kv_size, width),
            f"blk.{layer}.attn_v.weight": draw(config.kv_size, width),
            f"blk.{layer}.attn_output.weight": draw(width, config.q_size),
            f"blk.{layer}.ffn_norm.weight": draw(width),
            f"blk.{layer}.ffn_gate.weight": draw(config.d_ff, width),
            f"blk.{layer}.ffn_up.weight": draw(config.d_ff, width),
            f"blk.{layer}.ffn_down.weight": draw(width, config.d_ff),
        }
    return tensors
