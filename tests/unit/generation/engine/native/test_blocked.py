"""Blocks of 32 outputs multiply as the numbers that their bits stand for."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from generation.engine.native.blocked import Blocked, can_block, multiply
from generation.engine.native.library import Library
from tests.unit.generation.engine.native.models import pack_eight, pack_four, round_rows


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("num_threads", [1, 2, 5])
@pytest.mark.parametrize("num_rows", [1, 2, 3, 4, 5, 8, 9, 16])
def test_four_bits_multiply_as_the_numbers_they_stand_for(
    library: Library, num_rows: int, num_threads: int
) -> None:
    packed, exact = pack_four(draw(160, 96), library)
    x = draw(num_rows, 96, seed=1)
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    found = multiply(library, packed.matrix(), x)
    torch.set_num_threads(before)
    torch.testing.assert_close(found, F.linear(round_rows(x), exact), atol=1e-4, rtol=1e-5)


def test_a_row_of_zeros_gives_zeros(library: Library) -> None:
    packed, _ = pack_four(draw(32, 64), library)
    assert not multiply(library, packed.matrix(), torch.zeros(2, 64)).any()


@pytest.mark.parametrize("num_rows", [1, 2, 3, 7, 8, 13])
def test_eight_bits_multiply_as_the_numbers_they_stand_for(library: Library, num_rows: int) -> None:
    packed, exact = pack_eight(draw(96, 64), library)
    x = draw(num_rows, 64, seed=1)
    found = multiply(library, packed.matrix(), x)
    torch.testing.assert_close(found, F.linear(x, exact), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("num_rows", [1, 6])
def test_pytorch_may_ask_for_a_product_too(library: Library, num_rows: int) -> None:
    packed, exact = pack_four(draw(64, 96), library)
    x = draw(num_rows, 96, seed=1).to(torch.bfloat16)
    found = packed.multiply(x)
    assert found.dtype == torch.bfloat16
    expected = F.linear(round_rows(x.float()), exact)
    torch.testing.assert_close(found.float(), expected, atol=0.05, rtol=2**-7)


def test_a_row_does_not_depend_on_the_rows_beside_it(library: Library) -> None:
    packed, _ = pack_four(draw(64, 96), library)
    x = draw(8, 96, seed=1)
    alone = torch.cat([multiply(library, packed.matrix(), row[None]) for row in x])
    torch.testing.assert_close(multiply(library, packed.matrix(), x), alone)


def test_the_parts_of_a_packed_matrix_make_it_again(library: Library) -> None:
    packed, exact = pack_four(draw(64, 96), library)
    kind, levels, scales = packed.parts()
    assert kind == "blocked4"
    again = Blocked("blocked4", library, levels, scales)
    x = draw(2, 96, seed=1)
    torch.testing.assert_close(
        multiply(library, again.matrix(), x), F.linear(round_rows(x), exact), atol=1e-4, rtol=1e-5
    )


@pytest.mark.parametrize(
    ("shape", "fits"), [((32, 32), True), ((576, 96), True), ((97, 64), False), ((64, 48), False)]
)
def test_only_whole_blocks_are_packed(shape: tuple[int, int], *, fits: bool) -> None:
    assert can_block(*shape) == fits
