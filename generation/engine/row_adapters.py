"""Adapters applied while a batch is computed: to each row its own, or none. Loads no file.

A product y = x W of the rows that share an adapter becomes x W + (x A) B: two thin products for
each adapter in the batch, however many of its rows there are. The weights stay what they are, so
that rows of any adapters, and of none, are computed together.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generation.engine.adapters import Adapter, LowRank, stack_adapters
from generation.engine.errors import WeightsFileError
from generation.engine.model import Transformer

Rows = slice | Tensor


@dataclass(frozen=True, slots=True, eq=False)
class RowAdapter:
    """An adapter ready to be applied to rows. Equal only to itself.

    sha256: of its file; keys and values that were computed with it are found under it alone.
    factors: by the name of the product, on the model's device and in the format of its
        activations; the scale is in them.
    """

    sha256: str
    factors: Mapping[str, LowRank]

    @property
    def num_bytes(self) -> int:
        """What it takes of memory."""
        return sum(pair.a.nbytes + pair.b.nbytes for pair in self.factors.values())


def prepare_adapter(
    adapter: Adapter, model: Transformer, *, sha256: str, merged: Adapter | None = None
) -> RowAdapter:
    """Make an adapter fit for the rows of `model`.

    merged: what the model's weights hold already; it is taken back for these rows, so that they are
        computed as the base with `adapter` would. Raises WeightsFileError where the adapter
        changes what this model does not have, or in another shape.
    """
    if merged is not None:
        adapter = stack_adapters(adapter, replace(merged, scale=-merged.scale))
    products = dict(_list_products(model))
    factors = {}
    for name, pair in adapter.factors.items():
        product = products.get(name.removesuffix(".weight"))
        if product is None:
            raise WeightsFileError(
                f"the adapter changes {name!r}, which is no product of this model's blocks; "
                "take an adapter of this model"
            )
        shape = (pair.b.shape[0], pair.a.shape[1])
        if shape != tuple(product.shape):
            raise WeightsFileError(
                f"the adapter changes {name!r} to {' x '.join(map(str, shape))}, the model has "
                f"{' x '.join(map(str, product.shape))}; take an adapter of this model"
            )
        # scaled where there is most precision, before it is rounded
        b = (pair.b.float() * adapter.scale).to(model.device, model.dtype)
        factors[name.removesuffix(".weight")] = LowRank(pair.a.to(model.device, model.dtype), b)
    return RowAdapter(sha256, factors)


@contextmanager
def applied(model: object, parts: Sequence[tuple[RowAdapter | None, int]]) -> Iterator[None]:
    """Let the products of `model` add, to each row of a batch, what its adapter changes.

    parts: the batch in order, each adapter with the number of its rows; the rows after them are
        padding. Without any adapter, the model computes as ever.
    """
    groups = _group_rows(parts)
    if not groups:
        yield
        return
    if not isinstance(model, nn.Module):
        raise TypeError("only a model of modules can have adapters")
    names = {name for adapter, _rows in groups for name in adapter.factors}
    # for this batch only: a hook costs every product of every other batch, too
    hooks = [
        model.get_submodule(name).register_forward_hook(_adding(name, groups)) for name in names
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _adding(
    name: str, groups: Sequence[tuple[RowAdapter, Rows]]
) -> Callable[[nn.Module, tuple[Tensor], Tensor], None]:
    wanted = [(each.factors[name], rows) for each, rows in groups if name in each.factors]

    def add(_product: nn.Module, inputs: tuple[Tensor], out: Tensor) -> None:
        """inputs: x (N, K); out (N, M), which the product has just made."""
        (x,) = inputs
        for pair, rows in wanted:
            narrow = F.linear(x[rows], pair.a)  # (rows, R)
            if isinstance(rows, slice):
                out[rows].addmm_(narrow, pair.b.t())
            else:
                out.index_add_(0, rows, F.linear(narrow, pair.b))

    return add


def _group_rows(
    parts: Sequence[tuple[RowAdapter | None, int]],
) -> list[tuple[RowAdapter, Rows]]:
    """The rows of each adapter: a slice where they are neighbours, which needs no copy."""
    found: dict[RowAdapter, list[int]] = {}
    start = 0
    for adapter, num_rows in parts:
        if adapter is not None:
            found.setdefault(adapter, []).extend(range(start, start + num_rows))
        start += num_rows
    return [(adapter, _join(rows, adapter)) for adapter, rows in found.items()]


def _join(rows: list[int], adapter: RowAdapter) -> Rows:
    first, last = rows[0], rows[-1]
    if last - first == len(rows) - 1:
        return slice(first, last + 1)
    device = next(iter(adapter.factors.values())).a.device
    return torch.tensor(rows, device=device)


def _list_products(model: Transformer) -> Iterator[tuple[str, Tensor]]:
    """The weights that multiply in the blocks, packed or not, by the name of the product."""
    for name, module in model.blocks.named_modules(prefix="blocks"):
        weight = getattr(module, "weight", None)
        if isinstance(weight, Tensor) and weight.dim() == 2:
            yield name, weight
