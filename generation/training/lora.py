"""Low-rank adaptation: every product gets a small second path, and only that learns.

Hu et al. 2021: W x becomes W x + scale * B (A x). A is drawn, B begins as zeros: at the first step
the model is what it was.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generation.engine.adapters import Adapter, LowRank
from generation.engine.errors import WeightsFileError
from generation.engine.model import Transformer

_PRODUCTS: Final = ("qkv", "out", "gate_up", "up", "down")


class LoraLinear(nn.Module):
    """A frozen product and its low-rank path, of `rank` numbers between input and output."""

    def __init__(self, base: nn.Linear, *, rank: int, scale: float, seed: int) -> None:
        super().__init__()
        self.base = base
        self.scale = scale
        self.is_on = True
        generator = torch.Generator().manual_seed(seed)  # every device gets the same weights
        first, second = draw_factors(base.weight, rank=rank, generator=generator)
        self.a = nn.Parameter(first.to(base.weight.device))
        self.b = nn.Parameter(second.to(base.weight.device))

    def forward(self, x: Tensor) -> Tensor:
        if not self.is_on:
            return self.base(x)  # type: ignore[no-any-return]  # a module's call is untyped
        # the scale goes to the narrow side: it is the smallest tensor of all
        out: Tensor = self.base(x) + F.linear(F.linear(x, self.a) * self.scale, self.b)
        return out


def draw_factors(weight: Tensor, *, rank: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A (R, inputs) and B (outputs, R), zeros, of the path beside a product's weight."""
    outputs, inputs = weight.shape
    bound = 1 / math.sqrt(inputs)
    first = torch.empty(rank, inputs).uniform_(-bound, bound, generator=generator)
    return first, torch.zeros(outputs, rank)


def add_lora(model: Transformer, *, rank: int, alpha: float, seed: int, dtype: torch.dtype) -> None:
    """Freeze a model and give every product of its blocks a low-rank path. scale = alpha / rank.

    dtype: of the frozen products, which nothing but products reads.
    """
    model.requires_grad_(requires_grad=False)
    for index, (parent, name, base) in enumerate(list(_list_products(model))):
        base.to(dtype)
        lora = LoraLinear(base, rank=rank, scale=alpha / rank, seed=seed * 100_003 + index)
        setattr(parent, name, lora)


def load_factors(model: Transformer, adapter: Adapter) -> None:
    """Begin from what an adapter learnt. Raises WeightsFileError where its products are others."""
    learning = {
        f"{name}.weight": module
        for name, module in model.named_modules()
        if isinstance(module, LoraLinear)
    }
    if learning.keys() != adapter.factors.keys():
        raise WeightsFileError("the adapter changes other products than this model learns")
    for name, module in learning.items():
        pair = adapter.factors[name]
        if (pair.a.shape, pair.b.shape) != (module.a.shape, module.b.shape):
            raise WeightsFileError(
                f"the adapter is of rank {len(pair.a)}, and rank {len(module.a)} is to be learnt"
            )
        with torch.no_grad():
            module.a.copy_(pair.a)
            module.b.copy_(pair.b.float() * (adapter.scale / module.scale))


@contextmanager
def as_it_was(model: nn.Module) -> Iterator[None]:
    """Let a model compute, for a while, what it did before anything was learnt."""
    paths = [module for module in model.modules() if isinstance(module, LoraLinear)]
    for path in paths:
        path.is_on = False
    try:
        yield
    finally:
        for path in paths:
            path.is_on = True


def read_factors(model: Transformer) -> dict[str, LowRank]:
    """What was learnt, by the name of the parameter that it changes."""
    return {
        f"{name}.weight": LowRank(module.a.detach(), module.b.detach())
        for name, module in model.named_modules()
        if isinstance(module, LoraLinear)
    }


def build_adapter(
    model: Transformer, *, base_sha256: str, prompt: str, dtype: torch.dtype
) -> Adapter:
    """What was learnt, rounded to `dtype`, as it is kept and served."""
    (scale,) = {m.scale for m in model.modules() if isinstance(m, LoraLinear)}
    factors = {
        name: LowRank(pair.a.to("cpu", dtype), pair.b.to("cpu", dtype))
        for name, pair in read_factors(model).items()
    }
    return Adapter(factors, scale=scale, base_sha256=base_sha256, prompt=prompt)


def _list_products(model: Transformer) -> Iterator[tuple[nn.Module, str, nn.Linear]]:
    for block in model.blocks:
        for parent in block.modules():
            for name, child in parent.named_children():
                if name in _PRODUCTS and isinstance(child, nn.Linear):
                    yield parent, name, child
