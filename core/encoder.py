"""A BERT encoder for inference: token ids in, one unit vector a sequence out. Knows no text.

Sequences are packed end to end: products run over tokens, never over padding, and only attention
looks at sequences, a run of equally long ones at a time. So a text's vector does not depend on what
it is computed with. Products are in bfloat16 where the processor multiplies that natively; what is
added up from layer to layer, the norms and the mean stay float32: docs/decisions/0007-embedding.md.
"""

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import safetensors
import torch
from torch import Tensor

from core.encoder_pass import (
    ONE_DNN,
    Layer,
    Linear,
    Norm,
    Pass,
    Weights,
    compiled_layers,
    compiled_pass,
    pack,
)
from core.errors import EncoderUnsupportedError

# a model without native bfloat16 is slower in it, not faster: x86, x86 with tiles, ARM
_FAST_BFLOAT16: Final = ("avx512_bf16", "amx_bf16", "bf16")


def default_dtype() -> torch.dtype:
    """What products are computed in on this machine."""
    capabilities = torch.cpu.get_capabilities()
    is_fast = any(capabilities.get(name) for name in _FAST_BFLOAT16)
    return torch.bfloat16 if is_fast and ONE_DNN else torch.float32


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """The shape of an encoder. D is `d_model`."""

    d_model: int
    num_layers: int
    num_heads: int
    max_positions: int
    norm_eps: float

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a folder's config.json. Raises `EncoderUnsupportedError` for another architecture.

        A folder that pools in another way than by the mean of all tokens is refused as well.
        """
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        pooling = json.loads((folder / "1_Pooling" / "config.json").read_text(encoding="utf-8"))
        kind = (config.get("model_type"), config.get("hidden_act"))
        if kind != ("bert", "gelu") or not pooling.get("pooling_mode_mean_tokens"):
            raise EncoderUnsupportedError(
                f"{folder.name} is no BERT encoder with GELU and mean pooling (it has {kind})"
            )
        return cls(
            d_model=config["hidden_size"],
            num_layers=config["num_hidden_layers"],
            num_heads=config["num_attention_heads"],
            max_positions=config["max_position_embeddings"],
            norm_eps=config["layer_norm_eps"],
        )


class Encoder:
    """The weights, and one pass over packed sequences. Not to be used by two threads at once."""

    def __init__(
        self, config: EncoderConfig, load: Callable[[str], Tensor], *, dtype: torch.dtype
    ) -> None:
        """`load` gives a tensor by its Hugging Face name; `dtype` is that of the products."""
        self.config = config
        kinds = load("embeddings.token_type_embeddings.weight")
        self._weights = Weights(
            # as it lies in the file, so that its pages are shared and only rows in use are read
            words=load("embeddings.word_embeddings.weight"),  # (V, D)
            places=load("embeddings.position_embeddings.weight").float() + kinds[0],  # (P, D)
            norm=_load_norm(load, "embeddings.LayerNorm"),
            layers=[
                _load_layer(partial(_load_below, load, f"encoder.layer.{number}"), dtype)
                for number in range(config.num_layers)
            ],
        )
        compiled_pass()  # now, so that the first text does not wait for it

    @torch.inference_mode()
    def encode(self, sequences: Sequence[Sequence[int]]) -> Tensor:
        """B sequences of token ids, at most `max_positions` each -> (B, D) float32, unit length.

        Fastest where equally long sequences are neighbours.
        """
        return self._run(compiled_pass(), sequences)

    @torch.inference_mode()
    def read(self, sequences: Sequence[Sequence[int]]) -> list[Tensor]:
        """B sequences of T token ids each -> B times (T, D) float32, a row for every token."""
        states = self._run(compiled_layers(), sequences)  # (N, D)
        return list(torch.split(states, [len(sequence) for sequence in sequences]))

    def _run(self, arithmetic: Pass, sequences: Sequence[Sequence[int]]) -> Tensor:
        runs = [
            (len(list(same)), length) for length, same in itertools.groupby(map(len, sequences))
        ]
        tokens = torch.tensor(list(itertools.chain.from_iterable(sequences)))  # (N,)
        return arithmetic(self._weights, tokens, runs, self.config.num_heads, self.config.norm_eps)


def load_encoder(folder: Path, *, dtype: torch.dtype | None = None) -> Encoder:
    """Load a folder in the layout of sentence-transformers, its products in `default_dtype()`.

    Raises `EncoderUnsupportedError`.
    """
    config = EncoderConfig.load(folder)
    opened: Any = safetensors.safe_open(folder / "model.safetensors", framework="pt")  # untyped
    return Encoder(config, opened.get_tensor, dtype=dtype or default_dtype())


def _load_layer(load: Callable[[str], Tensor], dtype: torch.dtype) -> Layer:
    parts = [f"attention.self.{name}" for name in ("query", "key", "value")]
    return Layer(
        qkv=_load_linear(load, *parts, dtype=dtype),
        out=_load_linear(load, "attention.output.dense", dtype=dtype),
        attention_norm=_load_norm(load, "attention.output.LayerNorm"),
        up=_load_linear(load, "intermediate.dense", dtype=dtype),
        down=_load_linear(load, "output.dense", dtype=dtype),
        norm=_load_norm(load, "output.LayerNorm"),
    )


def _load_linear(load: Callable[[str], Tensor], *names: str, dtype: torch.dtype) -> Linear:
    """Several names are joined into one product."""
    weight = torch.cat([load(f"{name}.weight").to(dtype) for name in names])
    bias = torch.cat([load(f"{name}.bias").to(dtype) for name in names])
    return pack(weight, bias)


def _load_norm(load: Callable[[str], Tensor], name: str) -> Norm:
    return Norm(load(f"{name}.weight").float(), load(f"{name}.bias").float())


def _load_below(load: Callable[[str], Tensor], place: str, name: str) -> Tensor:
    return load(f"{place}.{name}")
