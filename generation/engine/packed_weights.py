"""Load a model with its matrices packed in few bits, and keep the result on disk for next time.

What is kept is a cache: keyed by the hash of the weights, rebuilt where it is missing or damaged.
"""

import json
import os
from collections.abc import Callable, Collection, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal, get_args

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from generation.engine.adapters import Adapter, merge_adapter
from generation.engine.config import ModelConfig
from generation.engine.ggml_levels import has_levels, read_levels
from generation.engine.gguf_file import GgufFile
from generation.engine.layouts import FileTensor, Recipe, apply_change
from generation.engine.memory import copy_together
from generation.engine.model import Linear, Transformer
from generation.engine.native.blocked import (
    Blocked,
    Kind,
    block_int8,
    block_levels,
    can_block,
)
from generation.engine.native.library import Library, load_library
from generation.engine.packing import (
    Int4,
    Int8,
    Levels,
    Packed,
    PackedLinear,
    can_pack_int4,
    pack_int4,
    quantise_int8,
    quantise_levels,
)
from generation.engine.weights import (
    WeightSource,
    assemble,
    build_recipe,
    default_dtype,
    load_dense,
    read_config,
)

Precision = Literal["auto", "float32", "bfloat16", "int8", "int4"]

_FORMAT: Final = 3  # of the cache; raised when what is kept or how it is packed changes
_MAX_CACHED: Final = 4
_UNQUANTISED: Final = ("F32", "F16", "BF16")
_UNPACKED: Final = ("float32", "bfloat16")
_COMPILED: Final = "compiled"  # folder beside the cache files
_HEAD: Final = "head.weight"
_Form = Callable[[Tensor, Tensor], Packed]
_FORMS: Final[dict[str, _Form]] = {"int4": Int4, "int8": Int8}


@dataclass(frozen=True, slots=True)
class Weights:
    """Every parameter in the format of activations, and the packed form of some."""

    dense: Mapping[str, Tensor]
    packed: Mapping[str, Packed]


def build_model(
    source: WeightSource,
    *,
    precision: Precision = "auto",
    cache: Path | None = None,
    adapter: Adapter | None = None,
) -> Transformer:
    """A model ready for inference on the CPU.

    precision: "auto" keeps what the file holds in few bits in few bits, and nothing else; "int4"
        and "int8" round the rest as well; "float32" and "bfloat16" pack nothing. Activations, keys
        and values are in `default_dtype()` unless one is named.
    cache: a file to load from, or to write for next time; compiled steps are kept beside it, and
        without it PyTorch computes all.
    adapter: merged into the weights; what it changes in a file of four bits is kept in eight.
    """
    config = read_config(source)
    library = None
    if cache is not None and precision not in _UNPACKED:
        library = load_library(cache.parent / _COMPILED)
    weights = _load_cached(cache, library) if cache is not None else None
    if weights is None:
        weights = load_weights(source, config, precision, library=library, adapter=adapter)
        if cache is not None and weights.packed:
            _save_cached(cache, weights)
            weights = _load_cached(cache, library) or weights  # as it will lie every other time
    model = assemble(config, weights.dense)
    for name, packed in weights.packed.items():
        parent, _, child = name.removesuffix(".weight").rpartition(".")
        module = model.get_submodule(parent)
        dense = getattr(module, child)
        if not isinstance(dense, Linear):
            raise TypeError(f"{name} is not the weight of a product")
        setattr(module, child, PackedLinear(dense, packed))
    return model


def cache_name(sha256: str, precision: Precision) -> str:
    """The name of a cache file: changes with whatever its content depends on."""
    dtype = str(dtype_of(precision)).removeprefix("torch.")
    return f"{sha256}-{precision}-{dtype}-{_FORMAT}.safetensors"


def load_weights(
    source: WeightSource,
    config: ModelConfig,
    precision: Precision,
    *,
    library: Library | None = None,
    adapter: Adapter | None = None,
) -> Weights:
    """Read, and pack what `precision` says, from the file itself; four bits for `library`."""
    recipe = build_recipe(source, config)
    dense = load_dense(source, config, recipe, dtype=dtype_of(precision))
    changed: Collection[str] = ()
    if adapter is not None:
        dense, changed = merge_adapter(adapter, dense), adapter.factors.keys()
    packed: dict[str, Packed] = {}
    if precision not in _UNPACKED:
        for name, parts in _list_products(recipe, config).items():
            types = {_type_name(source, part) for part in parts}
            if precision == "auto" and types & set(_UNQUANTISED):
                continue  # the dense one must do
            kept = dense["embedding.weight" if name == _HEAD and config.tie_embeddings else name]
            weight = None
            if precision != "int8" and name not in changed and can_pack_int4(*kept.shape):
                weight = _read_levels(source, config, parts, types)
            packed[name] = _lay_out(weight or _round(kept, name, precision), library)
    return Weights(dense, packed)


def dtype_of(precision: Precision) -> torch.dtype:
    """The number format of activations, keys and values on the CPU."""
    named = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    return named.get(precision) or default_dtype()


def _list_products(recipe: Recipe, config: ModelConfig) -> Recipe:
    """The parameters that multiply; a tied head multiplies with the embedding."""
    products = {
        name: parts
        for name, parts in recipe.items()
        if name.endswith((".qkv.weight", ".out.weight", "up.weight", ".down.weight"))
    }
    return {**products, _HEAD: recipe["embedding.weight" if config.tie_embeddings else _HEAD]}


def _read_levels(
    source: WeightSource, config: ModelConfig, parts: tuple[FileTensor, ...], types: Set[str]
) -> Levels | None:
    """A matrix in the four bits that the file holds; None where it holds others."""
    if not all(map(has_levels, types)):
        return None
    return _join_levels([_read_part(source, part, config) for part in parts])


def _round(dense: Tensor, name: str, precision: Precision) -> Levels | Int8:
    # four bits cost the head too much: top-1 agreement falls from 0.97 to 0.91
    if precision == "int4" and can_pack_int4(*dense.shape) and name != _HEAD:
        return quantise_levels(dense)
    return quantise_int8(dense)


def _lay_out(weight: Levels | Int8, library: Library | None) -> Packed:
    """For the kernels that will read it."""
    if isinstance(weight, Levels):
        return pack_int4(weight) if library is None else block_levels(weight, library)
    fits = can_block(*weight.levels.shape)
    return block_int8(weight, library) if library and fits else weight


def _type_name(source: WeightSource, part: FileTensor) -> str:
    if isinstance(source, GgufFile):
        return source.tensors[part.name].ggml_type.name
    return "F32"  # or any other that is not quantised


def _read_part(source: WeightSource, part: FileTensor, config: ModelConfig) -> Levels:
    if not isinstance(source, GgufFile):
        raise TypeError(f"{part.name} is not quantised")
    blocks = source.load_blocks(part.name)
    # only rows move, so the quantised bytes of a row may move as they are
    rows = apply_change(torch.tensor(blocks.rows), part.change, head_dim=config.head_dim)
    return read_levels(rows.numpy(), blocks.ggml_type.name)


def _join_levels(parts: list[Levels]) -> Levels:
    return Levels(
        torch.cat([part.levels for part in parts]),
        torch.cat([part.scale for part in parts]),
        torch.cat([part.low for part in parts]),
    )


def _load_cached(path: Path, library: Library | None) -> Weights | None:
    """What `_save_cached` wrote; None where it is missing, damaged, or laid out for others."""
    forms = dict(_FORMS)
    if library is not None:
        forms |= {kind: partial(Blocked, kind, library) for kind in get_args(Kind)}
    try:
        with safe_open(path, framework="pt") as file:
            kinds: dict[str, str] = json.loads((file.metadata() or {})["packed"])
            if library and "int4" in kinds.values():
                return None
            names = [name.removeprefix("dense.") for name in file.keys() if name[:6] == "dense."]  # noqa: SIM118
            dense = {name: file.get_tensor(f"dense.{name}") for name in names}
            parts = [f"{part}.{name}" for name in kinds for part in ("levels", "scales")]
            # out of the mapped file: the kernels fault on memory that is not aligned
            copies = iter(copy_together([file.get_tensor(part) for part in parts]))
            packed: dict[str, Packed] = {
                name: forms[kind](next(copies), next(copies)) for name, kind in kinds.items()
            }
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    with suppress(OSError):
        path.touch()  # used again: not among the first to be removed
    return Weights(dense, packed)


def _save_cached(path: Path, weights: Weights) -> None:
    """Write beside, then rename: a reader never sees half a file. Without room, do without."""
    tensors = {f"dense.{name}": tensor.contiguous() for name, tensor in weights.dense.items()}
    kinds: dict[str, str] = {}
    for name, packed in weights.packed.items():
        kinds[name], levels, scales = packed.parts()
        tensors |= {f"levels.{name}": levels, f"scales.{name}": scales}
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, draft, metadata={"packed": json.dumps(kinds)})
        draft.replace(path)
        _prune(path.parent)
    except (OSError, SafetensorError):
        draft.unlink(missing_ok=True)


def _prune(folder: Path) -> None:
    newest_first = sorted(
        folder.glob("*.safetensors"), key=lambda file: file.stat().st_mtime, reverse=True
    )
    for file in newest_first[_MAX_CACHED:]:
        file.unlink(missing_ok=True)
