"""Matrices in few bits multiply as the numbers that those bits stand for."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from generation.engine.model import Linear
from generation.engine.packing import (
    GROUP_SIZE,
    Levels,
    Packed,
    PackedLinear,
    can_pack_int4,
    pack_int4,
    quantise_int8,
    quantise_levels,
)

NUM_OUT, NUM_IN = 128, 96


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def draw_levels() -> Levels:
    """Scales and lows that bfloat16 holds exactly; the first and last level in every group."""
    generator = torch.Generator().manual_seed(0)
    groups = (NUM_OUT, NUM_IN // GROUP_SIZE)
    scale = 2.0 ** torch.randint(-6, -2, groups, generator=generator)
    low = -8 * scale + scale * torch.randint(-3, 4, groups, generator=generator)
    levels = torch.randint(0, 16, (NUM_OUT, NUM_IN), generator=generator, dtype=torch.uint8)
    levels[:, ::GROUP_SIZE], levels[:, 1::GROUP_SIZE] = 0, 15
    return Levels(levels, scale, low)


def unpack(weight: Levels) -> Tensor:
    """What the levels stand for, (N, K)."""
    groups = weight.levels.float().view(NUM_OUT, -1, GROUP_SIZE)
    return (groups * weight.scale[..., None] + weight.low[..., None]).flatten(1)


@pytest.mark.parametrize("num_rows", [1, 2, 3, 8, 20])
def test_four_bits_multiply_as_the_numbers_they_stand_for(num_rows: int) -> None:
    weight = draw_levels()
    x = draw(num_rows, NUM_IN).to(torch.bfloat16)
    expected = F.linear(x.float(), unpack(weight))
    found = pack_int4(weight).multiply(x).float()
    # bfloat16 keeps eight bits of the outcome
    assert ((found - expected).abs() <= 2**-7 * expected.abs() + 1e-2).all()


@pytest.mark.parametrize("num_rows", [1, 2, 3, 8, 20])
def test_eight_bits_multiply_as_the_numbers_they_stand_for(num_rows: int) -> None:
    packed = quantise_int8(draw(NUM_OUT, NUM_IN))
    x = draw(num_rows, NUM_IN, seed=1).to(torch.bfloat16)
    expected = F.linear(x.float(), packed.levels.float() * packed.scales.float()[:, None])
    found = packed.multiply(x).float()
    assert ((found - expected).abs() <= 2**-7 * expected.abs() + 1e-2).all()


@pytest.mark.parametrize("kind", ["int4", "int8"])
def test_a_row_does_not_depend_on_the_rows_beside_it(kind: str) -> None:
    packed: Packed = pack_int4(draw_levels()) if kind == "int4" else quantise_int8(draw(64, NUM_IN))
    x = draw(8, NUM_IN).to(torch.bfloat16)
    together = packed.multiply(x).float()
    alone = torch.cat([packed.multiply(x[at : at + 1]) for at in range(8)]).float()
    assert ((together - alone).abs() <= 2**-7 * alone.abs() + 1e-2).all()


def test_rounding_to_levels_errs_by_half_a_level_at_most() -> None:
    weight = draw(NUM_OUT, NUM_IN)
    levels = quantise_levels(weight)
    error = (unpack(levels) - weight).abs().view(NUM_OUT, -1, GROUP_SIZE)
    assert (error <= levels.scale[..., None] / 2 + 1e-6).all()
    assert levels.levels.min() == 0
    assert levels.levels.max() == 15


def test_what_has_sixteen_levels_already_is_kept() -> None:
    weight = unpack(draw_levels())
    again = unpack(quantise_levels(weight))
    assert (again - weight).abs().max() < 1e-5


def test_a_group_without_differences_is_kept() -> None:
    weight = torch.full((NUM_OUT, NUM_IN), 0.25)
    assert torch.equal(unpack(quantise_levels(weight)), weight)
    assert torch.equal(unpack(quantise_levels(torch.zeros_like(weight))), torch.zeros_like(weight))


def test_rounding_to_eight_bits_errs_by_half_a_step_at_most() -> None:
    weight = draw(NUM_OUT, NUM_IN)
    packed = quantise_int8(weight)
    scales = packed.scales.float()[:, None]
    error = (packed.levels.float() * scales - weight).abs()
    # a scale that was rounded down cannot reach the greatest weight: by 1/256 of it at most
    assert (error <= scales / 2 + weight.abs() / 256 + 1e-6).all()


def test_an_output_without_weights_stays_silent() -> None:
    weight = draw(NUM_OUT, NUM_IN)
    weight[3] = 0
    found = quantise_int8(weight).multiply(draw(1, NUM_IN).to(torch.bfloat16))
    assert found[0, 3] == 0
    assert found.isfinite().all()


@pytest.mark.parametrize(
    ("shape", "fits"), [((64, 32), True), ((576, 1536), True), ((63, 32), False), ((64, 48), False)]
)
def test_the_kernel_takes_only_whole_blocks(shape: tuple[int, int], *, fits: bool) -> None:
    assert can_pack_int4(*shape) is fits


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bias", [True, False])
def test_few_rows_use_the_packed_form_and_many_the_dense(dtype: torch.dtype, *, bias: bool) -> None:
    dense = Linear(NUM_IN, NUM_OUT, bias=bias).requires_grad_(requires_grad=False)
    dense.weight.copy_(draw(NUM_OUT, NUM_IN))
    if bias:
        dense.bias.copy_(draw(NUM_OUT, seed=2))
    dense.to(dtype)
    packed = quantise_int8(torch.zeros(NUM_OUT, NUM_IN))  # so that the two cannot be mixed up
    both = PackedLinear(dense, packed)
    few, many = draw(packed.max_rows, NUM_IN).to(dtype), draw(packed.max_rows + 1, NUM_IN).to(dtype)
    assert torch.equal(both(many), dense(many))
    assert torch.equal(
        both(few), torch.zeros(len(few), NUM_OUT, dtype=dtype) + (dense.bias if bias else 0)
    )
    assert both(few).dtype == dtype


def test_the_parts_of_a_packed_matrix_make_it_again() -> None:
    four, eight = pack_int4(draw_levels()), quantise_int8(draw(NUM_OUT, NUM_IN))
    x = draw(2, NUM_IN).to(torch.bfloat16)
    for packed in (four, eight):
        kind, levels, scales = packed.parts()
        assert kind == type(packed).__name__.lower()
        assert torch.equal(type(packed)(levels, scales).multiply(x), packed.multiply(x))
