"""Tiny models whose matrices are packed for the C++, beside twins that hold the same numbers."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from generation.engine.model import Linear, Transformer
from generation.engine.native.blocked import (
    MAX_ROWS,
    Blocked,
    block_int8,
    block_levels,
    can_block,
)
from generation.engine.native.library import Library
from generation.engine.packing import (
    GROUP_SIZE,
    Levels,
    PackedLinear,
    quantise_int8,
    quantise_levels,
)
from tests.unit.generation.engine.tiny import tiny_transformer


def unpack_levels(weight: Levels) -> Tensor:
    """What levels stand for, with the float16 scales that are kept of them: (N, K)."""
    scale, low = weight.scale.half().float(), weight.low.half().float()
    groups = weight.levels.float().view(weight.levels.shape[0], -1, GROUP_SIZE)
    return (groups * scale[..., None] + low[..., None]).flatten(1)


def round_rows(x: Tensor) -> Tensor:
    """x (R, K) as products in four bits take it: by groups of 32, in 255 levels."""
    groups = x.view(-1, GROUP_SIZE)
    scale = groups.abs().amax(dim=1, keepdim=True) / 127
    return ((groups / scale).round() * scale).view_as(x)


def pack_four(weight: Tensor, library: Library) -> tuple[Blocked, Tensor]:
    levels = quantise_levels(weight)
    return block_levels(levels, library), unpack_levels(levels)


def pack_eight(weight: Tensor, library: Library) -> tuple[Blocked, Tensor]:
    rounded = quantise_int8(weight)
    exact = rounded.levels.float() * rounded.scales.float()[:, None]
    return block_int8(rounded, library), exact


def build_pair(library: Library, *, bits: int, **changes: Any) -> tuple[Transformer, Transformer]:
    """A model with packed matrices, and one that computes with their very numbers densely.

    Both round what goes into a product in four bits, in steps of few rows.
    """
    dense = tiny_transformer(**{"tie_embeddings": False, **changes})
    _draw_vectors(dense)
    packed = copy.deepcopy(dense)
    pack = pack_four if bits == 4 else pack_eight
    for name, module in dense.named_modules():
        if not isinstance(module, Linear) or not can_block(*module.weight.shape):
            continue
        form, exact = pack(module.weight, library)
        module.weight = nn.Parameter(exact, requires_grad=False)
        if bits == 4:
            module.register_forward_pre_hook(_round_few)
        twin = packed.get_submodule(name)
        assert isinstance(twin, Linear)
        twin.weight = module.weight
        parent, _, child = name.rpartition(".")
        setattr(packed.get_submodule(parent), child, PackedLinear(twin, form))
    return packed, dense


def _round_few(_product: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    (x,) = inputs
    return (round_rows(x) if x.shape[0] <= MAX_ROWS else x,)


def _draw_vectors(model: Transformer) -> None:
    """Norms that are not one and biases that are not zero: each must be seen to matter."""
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        if parameter.dim() == 1:
            parameter.normal_(0.0 if name.endswith("bias") else 0.8, 0.3, generator=generator)
