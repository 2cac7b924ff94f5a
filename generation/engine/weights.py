"""Fill a Transformer from a GGUF file. Refuses a tensor missing, misshapen or left over."""

import numpy as np
import torch
from torch import Tensor

from generation.engine.config import ModelConfig, load_config
from generation.engine.errors import GgufError, UnsupportedModelError
from generation.engine.ggml_types import FloatArray
from generation.engine.gguf_file import GgufFile
from generation.engine.model import Transformer

_FAST_BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16")  # x86, x86 with tiles, ARM


def default_dtype() -> torch.dtype:
    """The faster of float32 and bfloat16 on this CPU.

    Without bfloat16 instructions a 512-token prefill takes five times as long in bfloat16 and
    decoding gains nothing (benchmarks/LOG.md).
    """
    abilities = torch.cpu.get_capabilities()
    return torch.bfloat16 if any(abilities.get(a) for a in _FAST_BFLOAT16) else torch.float32


def build_transformer(file: GgufFile, *, dtype: torch.dtype | None = None) -> Transformer:
    """Load every weight, in `dtype` or `default_dtype()`; the model is ready for inference."""
    config = load_config(file)
    dtype = dtype or default_dtype()
    reader = _WeightReader(file, config, dtype)
    weights = reader.read_all()
    unread = sorted(file.tensors.keys() - reader.names_read)
    if unread:
        raise UnsupportedModelError(
            f"{file.path.name} holds {len(unread)} tensors this engine does not use, "
            f"such as {unread[0]!r}; running without them would give wrong answers"
        )
    model = Transformer(config)
    model.load_state_dict(weights, assign=True)
    model.rope.to(dtype)
    return model.eval().requires_grad_(requires_grad=False)


class _WeightReader:
    """Names, shapes and layouts of the file turned into those of Transformer.

    Matrices are joined by numpy: torch would use every core for a copy, and beside a busy process
    its threads wait for each other longer than the copy takes (benchmarks/LOG.md).
    """

    def __init__(self, file: GgufFile, config: ModelConfig, dtype: torch.dtype) -> None:
        self._file = file
        self._config = config
        self._dtype = dtype
        self.names_read: set[str] = set()

    def read_all(self) -> dict[str, Tensor]:
        config = self._config
        width = config.d_model
        arrays = {
            "embedding.weight": self._read("token_embd.weight", config.vocab_size, width),
            "norm.weight": self._read("output_norm.weight", width),
        }
        if not config.tie_embeddings:
            arrays["head.weight"] = self._read("output.weight", config.vocab_size, width)
        weights = self._to_tensors(arrays)
        for layer in range(config.num_layers):
            block = self._to_tensors(self._read_block(f"blk.{layer}"))
            weights |= {f"blocks.{layer}.{name}": weight for name, weight in block.items()}
        return weights

    def _to_tensors(self, arrays: dict[str, FloatArray]) -> dict[str, Tensor]:
        return {name: torch.from_numpy(array).to(self._dtype) for name, array in arrays.items()}

    def _read_block(self, prefix: str) -> dict[str, FloatArray]:
        config = self._config
        width, d_ff = config.d_model, config.d_ff
        q = self._read(f"{prefix}.attn_q.weight", config.q_size, width)
        k = self._read(f"{prefix}.attn_k.weight", config.kv_size, width)
        v = self._read(f"{prefix}.attn_v.weight", config.kv_size, width)
        q, k = (halves_from_pairs(rows, config.head_dim) for rows in (q, k))
        gate = self._read(f"{prefix}.ffn_gate.weight", d_ff, width)
        up = self._read(f"{prefix}.ffn_up.weight", d_ff, width)
        return {
            "attention_norm.weight": self._read(f"{prefix}.attn_norm.weight", width),
            "attention.qkv.weight": np.concatenate((q, k, v)),
            "attention.out.weight": self._read(
                f"{prefix}.attn_output.weight", width, config.q_size
            ),
            "feed_forward_norm.weight": self._read(f"{prefix}.ffn_norm.weight", width),
            "feed_forward.gate_up.weight": np.concatenate((gate, up)),
            "feed_forward.down.weight": self._read(f"{prefix}.ffn_down.weight", width, d_ff),
        }

    def _read(self, name: str, *shape: int) -> FloatArray:
        weight = self._file.load_tensor(name)
        if weight.shape != shape:
            raise GgufError(
                f"{self._file.path.name}: tensor {name!r} has shape {weight.shape}, "
                f"the metadata says {shape}; fetch the file again"
            )
        self.names_read.add(name)
        return weight


def halves_from_pairs(weight: FloatArray, head_dim: int) -> FloatArray:
    """Undo GGUF's order of Q and K rows (heads * D, C).

    GGUF keeps each rotated pair in neighbouring rows (0, 1), (2, 3); our RoPE, like the checkpoints
    the files are made from, turns row i with row i + D / 2.
    """
    pairs = weight.reshape(-1, head_dim // 2, 2, weight.shape[1])  # (heads, D / 2, 2, C)
    return pairs.swapaxes(1, 2).reshape(weight.shape)  # (heads * D, C)
