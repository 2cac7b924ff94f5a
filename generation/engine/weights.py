"""Fill a Transformer from a GGUF file. Refuses a tensor missing, misshapen or left over."""

import torch
from torch import Tensor

from generation.engine.config import ModelConfig, load_config
from generation.engine.errors import GgufError, UnsupportedModelError
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
    reader = _WeightReader(file, config, dtype or default_dtype())
    weights = reader.read_all()
    unread = sorted(file.tensors.keys() - reader.names_read)
    if unread:
        raise UnsupportedModelError(
            f"{file.path.name} holds {len(unread)} tensors this engine does not use, "
            f"such as {unread[0]!r}; running without them would give wrong answers"
        )
    model = Transformer(config)
    model.load_state_dict(weights, assign=True)
    model.rope.to(dtype or default_dtype())
    return model.eval().requires_grad_(requires_grad=False)


class _WeightReader:
    """Names, shapes and layouts of the file turned into those of Transformer."""

    def __init__(self, file: GgufFile, config: ModelConfig, dtype: torch.dtype) -> None:
        self._file = file
        self._config = config
        self._dtype = dtype
        self.names_read: set[str] = set()

    def read_all(self) -> dict[str, Tensor]:
        config = self._config
        width = config.d_model
        weights = {
            "embedding.weight": self._read("token_embd.weight", config.vocab_size, width),
            "norm.weight": self._read("output_norm.weight", width),
        }
        if not config.tie_embeddings:
            weights["head.weight"] = self._read("output.weight", config.vocab_size, width)
        for layer in range(config.num_layers):
            weights |= self._read_block(f"blk.{layer}", f"blocks.{layer}")
        return weights

    def _read_block(self, source: str, target: str) -> dict[str, Tensor]:
        config = self._config
        width, d_ff = config.d_model, config.d_ff
        q = self._read(f"{source}.attn_q.weight", config.q_size, width)
        k = self._read(f"{source}.attn_k.weight", config.kv_size, width)
        v = self._read(f"{source}.attn_v.weight", config.kv_size, width)
        gate = self._read(f"{source}.ffn_gate.weight", d_ff, width)
        up = self._read(f"{source}.ffn_up.weight", d_ff, width)
        head_dim = config.head_dim
        return {
            f"{target}.attention_norm.weight": self._read(f"{source}.attn_norm.weight", width),
            f"{target}.attention.qkv.weight": torch.cat(
                (halves_from_pairs(q, head_dim), halves_from_pairs(k, head_dim), v)
            ),
            f"{target}.attention.out.weight": self._read(
                f"{source}.attn_output.weight", width, config.q_size
            ),
            f"{target}.feed_forward_norm.weight": self._read(f"{source}.ffn_norm.weight", width),
            f"{target}.feed_forward.gate_up.weight": torch.cat((gate, up)),
            f"{target}.feed_forward.down.weight": self._read(
                f"{source}.ffn_down.weight", width, d_ff
            ),
        }

    def _read(self, name: str, *shape: int) -> Tensor:
        weight = torch.from_numpy(self._file.load_tensor(name))
        if tuple(weight.shape) != shape:
            raise GgufError(
                f"{self._file.path.name}: tensor {name!r} has shape {tuple(weight.shape)}, "
                f"the metadata says {shape}; fetch the file again"
            )
        self.names_read.add(name)
        return weight.to(self._dtype)


def halves_from_pairs(weight: Tensor, head_dim: int) -> Tensor:
    """Undo GGUF's order of Q and K rows (heads * D, C).

    GGUF keeps each rotated pair in neighbouring rows (0, 1), (2, 3); our RoPE, like the checkpoints
    the files are made from, turns row i with row i + D / 2.
    """
    pairs = weight.view(-1, head_dim // 2, 2, weight.shape[1])  # (heads, D / 2, 2, C)
    return pairs.transpose(1, 2).reshape(weight.shape)  # (heads * D, C)
