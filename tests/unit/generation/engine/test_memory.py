"""Large pieces of memory: they begin where they should, and hold what is written."""

import pytest
import torch

from generation.engine.memory import LARGE_PAGE, copy_together, empty_bytes


@pytest.mark.parametrize("num_bytes", [0, 1, LARGE_PAGE, 2 * LARGE_PAGE, 5 * LARGE_PAGE + 3])
def test_a_piece_has_the_size_that_was_asked_for(num_bytes: int) -> None:
    piece = empty_bytes(num_bytes)
    assert (piece.dtype, piece.shape) == (torch.uint8, (num_bytes,))
    assert piece.fill_(7).eq(7).all()
    if num_bytes >= 2 * LARGE_PAGE:
        assert piece.data_ptr() % LARGE_PAGE == 0


def test_a_piece_outlives_the_names_of_it() -> None:
    part = empty_bytes(3 * LARGE_PAGE).fill_(5)[LARGE_PAGE:].view(torch.int32)
    other = empty_bytes(3 * LARGE_PAGE).fill_(9)
    assert part.eq(0x05050505).all()
    assert other.eq(9).all()


def test_copies_are_aligned_and_apart() -> None:
    shapes = [(3, 5), (1,), (7, 2, 2), (0, 4)]
    tensors = [torch.randn(shape).to(torch.float16) for shape in shapes] + [torch.arange(9)]
    copies = copy_together(tensors)
    for copy, tensor in zip(copies, tensors, strict=True):
        assert torch.equal(copy, tensor)
        assert copy.data_ptr() % 64 == 0 or not copy.numel()
    copies[0].zero_()
    assert torch.equal(copies[1], tensors[1])
