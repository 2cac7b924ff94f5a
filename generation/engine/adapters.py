"""Low-rank adapters: what fine-tuning adds to some weights, in a file of their own.

A parameter W becomes W + scale * B A. An adapter belongs to the very weights it was trained on and
is refused beside others. Trains nothing; `merge` is how it is served.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from generation.engine.errors import WeightsFileError

_FORMAT: Final = "cimiento-low-rank-1"
_A, _B = ".low_rank_a", ".low_rank_b"
_NONE: Final[Mapping[str, Tensor]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class LowRank:
    """The two factors of a change: A (R, inputs), B (outputs, R)."""

    a: Tensor
    b: Tensor


@dataclass(frozen=True, slots=True)
class Adapter:
    """Changes to a model's parameters, by our names.

    base_sha256: of the weights it was trained on. prompt: the template whose questions it learnt.
    """

    factors: Mapping[str, LowRank]
    scale: float
    base_sha256: str
    prompt: str

    def merge(self, name: str, weight: Tensor) -> Tensor:
        """The parameter as fine-tuning left it, in the format of `weight`.

        Raises WeightsFileError where the shapes do not agree.
        """
        pair = self.factors.get(name)
        if pair is None:
            return weight
        if (pair.b.shape[0], pair.a.shape[1]) != weight.shape:
            raise WeightsFileError(
                f"the adapter changes {name!r} to {pair.b.shape[0]} x {pair.a.shape[1]}, the model "
                f"has {' x '.join(map(str, weight.shape))}; take the adapter of this model"
            )
        change = (pair.b.float() @ pair.a.float()) * self.scale
        return (weight.float() + change).to(weight.dtype)


def merge_adapter(adapter: Adapter, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """All parameters with their changes. Raises WeightsFileError for one that is not there."""
    unknown = sorted(adapter.factors.keys() - weights.keys())
    if unknown:
        raise WeightsFileError(
            f"the adapter changes {unknown[0]!r}, which this model does not have; take the "
            "adapter of this model"
        )
    return {name: adapter.merge(name, weight) for name, weight in weights.items()}


def stack_adapters(first: Adapter, second: Adapter) -> Adapter:
    """One adapter that changes what both do, together as much; of the first's base.

    B A + B' A' is the product of the factors side by side: their ranks add up.
    """
    factors = {}
    for name in {**first.factors, **second.factors}:
        both = [each for each in (first, second) if name in each.factors]
        pairs = [(each.scale, each.factors[name]) for each in both]
        factors[name] = LowRank(
            torch.cat([pair.a for _scale, pair in pairs]),
            torch.cat([pair.b * scale for scale, pair in pairs], dim=1),
        )
    return Adapter(factors, scale=1.0, base_sha256=first.base_sha256, prompt=second.prompt)


def serialise_adapter(
    adapter: Adapter, *, kind: str = _FORMAT, others: Mapping[str, Tensor] = _NONE
) -> bytes:
    """The adapter as a safetensors file; of another `kind` where it comes with `others`."""
    tensors = dict(others)
    for name, pair in adapter.factors.items():
        tensors |= {name + _A: pair.a.contiguous(), name + _B: pair.b.contiguous()}
    facts = {
        "format": kind,
        "scale": repr(adapter.scale),
        "base_sha256": adapter.base_sha256,
        "prompt": adapter.prompt,
    }
    written: bytes = save(tensors, metadata=facts)
    return written


def load_adapter(path: Path) -> Adapter:
    """Raises WeightsFileError for a file that is missing, damaged or no adapter."""
    return load_with_others(path, kind=_FORMAT, others=(), maker="train reader")[0]


def load_with_others(
    path: Path, *, kind: str, others: Collection[str], maker: str
) -> tuple[Adapter, dict[str, Tensor]]:
    """An adapter, and the tensors of these names that a file of this `kind` has beside it.

    Raises WeightsFileError for a file that is missing, damaged or of another kind; `maker` is the
    command that makes such files.
    """
    if not path.is_file():
        raise WeightsFileError(f"there is no adapter {path}; correct the path, or name none")
    try:
        with safe_open(path, framework="pt") as file:
            facts = file.metadata() or {}
            if facts.get("format") != kind:
                raise WeightsFileError(
                    f"{path.name} is no file of ours of this kind (format "
                    f"{facts.get('format')!r}, not {kind!r}); 'cimiento {maker}' makes one"
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
        beside = {name: tensors.pop(name) for name in others}
        for name, tensor in beside.items():
            _check_finite(name, tensor)
        scale = float(json.loads(facts["scale"]))
        adapter = Adapter(
            _pair(tensors), scale=scale, base_sha256=facts["base_sha256"], prompt=facts["prompt"]
        )
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise WeightsFileError(f"{path.name} is damaged ({error}); fetch it again") from error
    return adapter, beside


def _pair(tensors: Mapping[str, Tensor]) -> dict[str, LowRank]:
    factors = {}
    for name, a in tensors.items():
        if not name.endswith(_A):
            continue
        b = tensors[name.removesuffix(_A) + _B]
        if a.dim() != 2 or b.dim() != 2 or a.shape[0] != b.shape[1]:
            raise ValueError(f"{name} is {tuple(a.shape)} and its other half {tuple(b.shape)}")
        _check_finite(name, a)
        _check_finite(name, b)
        factors[name.removesuffix(_A)] = LowRank(a, b)
    if 2 * len(factors) != len(tensors):
        raise ValueError("halves of changes are missing")
    return factors


def _check_finite(name: str, tensor: Tensor) -> None:
    if not torch.isfinite(tensor).all():
        raise ValueError(f"{name} holds what is not a number")
