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
import torch.nn.functional as F
from torch import Tensor

from core.errors import EncoderUnsupportedError

# a model without native bfloat16 is slower in it, not faster: x86, x86 with tiles, ARM
_FAST_BFLOAT16: Final = ("avx512_bf16", "amx_bf16", "bf16")
_ONE_DNN: Final = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]

Run = tuple[int, int]
"""How many neighbouring sequences have the same length, and that length in tokens."""


def default_dtype() -> torch.dtype:
    """What products are computed in on this machine."""
    capabilities = torch.cpu.get_capabilities()
    is_fast = any(capabilities.get(name) for name in _FAST_BFLOAT16)
    return torch.bfloat16 if is_fast and _ONE_DNN else torch.float32


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
        # as it lies in the file, so that its pages are shared and only rows in use are read
        self._words = load("embeddings.word_embeddings.weight")  # (V, D)
        kinds = load("embeddings.token_type_embeddings.weight")
        self._places = load("embeddings.position_embeddings.weight").float() + kinds[0]  # (P, D)
        self._norm = _Norm.load(load, "embeddings.LayerNorm", config.norm_eps)
        self._layers = [
            _Layer(config, partial(_load_below, load, f"encoder.layer.{number}"), dtype)
            for number in range(config.num_layers)
        ]

    @torch.inference_mode()
    def encode(self, sequences: Sequence[Sequence[int]]) -> Tensor:
        """B sequences of token ids, at most `max_positions` each -> (B, D) float32, unit length.

        Fastest where equally long sequences are neighbours.
        """
        lengths = [len(ids) for ids in sequences]
        runs = [(len(list(same)), length) for length, same in itertools.groupby(lengths)]
        tokens = torch.tensor(list(itertools.chain.from_iterable(sequences)))  # (N,)
        places = torch.cat([torch.arange(length) for length in lengths])  # (N,)
        x = self._norm(self._words[tokens].float() + self._places[places])  # (N, D)
        for layer in self._layers:
            x = layer(x, runs)
        means = [part.mean(dim=1) for part in _by_run(x, runs)]  # (count, D) each
        return F.normalize(torch.cat(means), dim=1)


def load_encoder(folder: Path, *, dtype: torch.dtype | None = None) -> Encoder:
    """Load a folder in the layout of sentence-transformers, its products in `default_dtype()`.

    Raises `EncoderUnsupportedError`.
    """
    config = EncoderConfig.load(folder)
    opened: Any = safetensors.safe_open(folder / "model.safetensors", framework="pt")  # untyped
    return Encoder(config, opened.get_tensor, dtype=dtype or default_dtype())


class _Layer:
    def __init__(
        self, config: EncoderConfig, load: Callable[[str], Tensor], dtype: torch.dtype
    ) -> None:
        self._num_heads = config.num_heads
        parts = [f"attention.self.{name}" for name in ("query", "key", "value")]
        self._qkv = _Linear.load(load, *parts, dtype=dtype)
        self._out = _Linear.load(load, "attention.output.dense", dtype=dtype)
        self._attention_norm = _Norm.load(load, "attention.output.LayerNorm", config.norm_eps)
        self._up = _Linear.load(load, "intermediate.dense", dtype=dtype, gelu=True)
        self._down = _Linear.load(load, "output.dense", dtype=dtype)
        self._norm = _Norm.load(load, "output.LayerNorm", config.norm_eps)

    def __call__(self, x: Tensor, runs: Sequence[Run]) -> Tensor:
        mixed = self._out(self._attend(self._qkv(x), runs))
        x = self._attention_norm(x + mixed)  # (N, D)
        return self._norm(x + self._down(self._up(x)))

    def _attend(self, qkv: Tensor, runs: Sequence[Run]) -> Tensor:
        mixed = []
        for part in _by_run(qkv, runs):  # (count, T, 3 D)
            count, length, _ = part.shape
            heads = part.view(count, length, 3, self._num_heads, -1)
            q, k, v = heads.permute(2, 0, 3, 1, 4)  # (count, heads, T, D / heads) each
            out = F.scaled_dot_product_attention(q, k, v)
            mixed.append(out.transpose(1, 2).reshape(count * length, -1))
        return torch.cat(mixed)  # (N, D)


class _Linear:
    """y = x W' + b in the weights' number format, with GELU behind it where that is asked for.

    oneDNN's packed product is three times as fast as torch's own in float32 on processors for which
    MKL has no kernels of its own, and puts bias and GELU into the same pass.
    """

    def __init__(self, weight: Tensor, bias: Tensor, *, gelu: bool) -> None:
        self._dtype = weight.dtype
        self._bias = bias
        self._gelu = gelu
        self._weight = weight
        if _ONE_DNN:
            self._weight = torch.ops.mkldnn._reorder_linear_weight(weight, None)  # noqa: SLF001

    @classmethod
    def load(
        cls, load: Callable[[str], Tensor], *names: str, dtype: torch.dtype, gelu: bool = False
    ) -> Self:
        """Several names are joined into one product."""
        weight = torch.cat([load(f"{name}.weight").to(dtype) for name in names])
        bias = torch.cat([load(f"{name}.bias").to(dtype) for name in names])
        return cls(weight, bias, gelu=gelu)

    def __call__(self, x: Tensor) -> Tensor:
        x = x.to(self._dtype)
        if _ONE_DNN:
            after, kind = ("gelu", "none") if self._gelu else ("none", "")  # "none": no tanh
            product: Tensor = torch.ops.mkldnn._linear_pointwise(  # noqa: SLF001
                x, self._weight, self._bias, after, [], kind
            )
            return product
        y = F.linear(x, self._weight, self._bias)
        return F.gelu(y) if self._gelu else y


@dataclass(frozen=True, slots=True)
class _Norm:
    weight: Tensor
    bias: Tensor
    eps: float

    @classmethod
    def load(cls, load: Callable[[str], Tensor], name: str, eps: float) -> Self:
        return cls(load(f"{name}.weight").float(), load(f"{name}.bias").float(), eps)

    def __call__(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


def _by_run(x: Tensor, runs: Sequence[Run]) -> list[Tensor]:
    """(N, W) -> a view (count, T, W) of each run."""
    sizes = [count * length for count, length in runs]
    return [
        part.view(count, length, -1)
        for part, (count, length) in zip(torch.split(x, sizes), runs, strict=True)
    ]


def _load_below(load: Callable[[str], Tensor], place: str, name: str) -> Tensor:
    return load(f"{place}.{name}")
