"""Fill a Transformer from a file. Refuses a tensor missing, misshapen or left over."""

import re
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from generation.engine.adapters import Adapter, merge_adapter
from generation.engine.config import ModelConfig
from generation.engine.errors import UnsupportedModelError, WeightsFileError
from generation.engine.gguf_config import read_gguf_config
from generation.engine.gguf_file import GgufFile
from generation.engine.huggingface_config import read_huggingface_config
from generation.engine.layouts import (
    FileTensor,
    Layout,
    Recipe,
    apply_change,
    select_checkpoint_layout,
    select_gguf_layout,
)
from generation.engine.model import Transformer
from generation.engine.safetensors_folder import SafetensorsFolder

WeightSource = GgufFile | SafetensorsFolder

_FAST_BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16")  # x86, x86 with tiles, ARM


def default_dtype() -> torch.dtype:
    """The faster of float32 and bfloat16 on this CPU.

    Without bfloat16 instructions a 512-token prefill takes five times as long in bfloat16 and
    decoding gains nothing (benchmarks/LOG.md).
    """
    abilities = torch.cpu.get_capabilities()
    return torch.bfloat16 if any(abilities.get(a) for a in _FAST_BFLOAT16) else torch.float32


def read_config(source: WeightSource) -> ModelConfig:
    """Raises UnsupportedModelError for a model that this engine does not run."""
    if isinstance(source, GgufFile):
        return read_gguf_config(source)
    return read_huggingface_config(source.config)


def build_recipe(source: WeightSource, config: ModelConfig) -> Recipe:
    """Which tensors of the file make each parameter: none missing, misshapen or left over."""
    layout = _select_layout(source, config)
    recipe = layout.build_recipe(config)
    _refuse_unfit(source, recipe)
    _refuse_unread(source, layout, recipe)
    return recipe


def build_transformer(
    source: WeightSource, *, dtype: torch.dtype | None = None, adapter: Adapter | None = None
) -> Transformer:
    """Load every weight, in `dtype` or `default_dtype()`; the model is ready for inference."""
    config = read_config(source)
    recipe = build_recipe(source, config)
    weights = load_dense(source, config, recipe, dtype=dtype or default_dtype())
    return assemble(config, weights if adapter is None else merge_adapter(adapter, weights))


def load_dense(
    source: WeightSource, config: ModelConfig, recipe: Recipe, *, dtype: torch.dtype
) -> dict[str, Tensor]:
    """Every parameter of the recipe, in one number format."""
    weights = {}
    for name, parts in recipe.items():
        # a lone tensor may lie in the mapped file, which may change or end while the model runs
        copy = len(parts) == 1 and isinstance(source, SafetensorsFolder)
        loaded = [load_part(source, part, config).to(dtype, copy=copy) for part in parts]
        weights[name] = _join(loaded)
    return weights


def assemble(config: ModelConfig, weights: Mapping[str, Tensor]) -> Transformer:
    """A model around these very tensors, one for every parameter but a tied head."""
    tied = {"head.weight": weights["embedding.weight"]} if config.tie_embeddings else {}
    with torch.device("meta"):  # nothing is allocated that the weights replace
        model = Transformer(config)
    model.load_state_dict({**weights, **tied}, assign=True)
    if config.tie_embeddings:
        model.head.weight = model.embedding.weight  # one parameter again, not two over one memory
    model.to(model.dtype)  # RoPE's tables too
    return model.eval().requires_grad_(requires_grad=False)


def load_part(source: WeightSource, part: FileTensor, config: ModelConfig) -> Tensor:
    """One tensor of the file as rows of a parameter, in whatever format it has there."""
    loaded = source.load_tensor(part.name)
    weight = loaded if isinstance(loaded, Tensor) else torch.from_numpy(loaded)
    return apply_change(weight, part.change, head_dim=config.head_dim)


def _select_layout(source: WeightSource, config: ModelConfig) -> Layout:
    if isinstance(source, GgufFile):
        return select_gguf_layout(config)
    return select_checkpoint_layout(config, source.tensors.keys())


def _join(parts: list[Tensor]) -> Tensor:
    """Rows below rows.

    By numpy: torch would use every core for a copy, and beside a busy process its threads wait for
    each other longer than the copy takes (benchmarks/LOG.md).
    """
    if len(parts) == 1:
        return parts[0].contiguous()
    raw = np.concatenate([part.contiguous().view(torch.uint8).numpy() for part in parts])
    return torch.from_numpy(raw).view(parts[0].dtype)


def _refuse_unfit(source: WeightSource, recipe: Recipe) -> None:
    for part in _list_parts(recipe):
        found = source.tensors.get(part.name)
        if found is None:
            raise WeightsFileError(
                f"{source.path.name} has no tensor {part.name!r}; fetch the file again"
            )
        if found.shape != part.shape:
            raise WeightsFileError(
                f"{source.path.name}: tensor {part.name!r} has shape {found.shape}, the model's "
                f"description says {part.shape}; fetch the file again"
            )


def _refuse_unread(source: WeightSource, layout: Layout, recipe: Recipe) -> None:
    ignored = re.compile("|".join(layout.ignored) or "(?!)")
    read = {part.name for part in _list_parts(recipe)}
    unread = sorted(name for name in source.tensors.keys() - read if not ignored.fullmatch(name))
    if unread:
        raise UnsupportedModelError(
            f"{source.path.name} holds {len(unread)} tensors this engine does not use, "
            f"such as {unread[0]!r}; running without them would give wrong answers"
        )


def _list_parts(recipe: Recipe) -> Iterator[FileTensor]:
    return (part for parts in recipe.values() for part in parts)
