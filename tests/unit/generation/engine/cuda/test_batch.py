"""A batch described in one buffer says what its chunks say."""

from dataclasses import replace

import pytest
import torch

from generation.engine.cuda.batch import BatchShape, PagedBatch, fill_buffer, measure, split_buffer
from generation.engine.errors import ContextOverflowError
from generation.engine.runner import Chunk

CHUNKS = [Chunk([7, 8, 9], 3, [5, 2], first_row=2), Chunk([4], 0, [1], first_row=0)]
SHAPE = BatchShape(num_tokens=6, num_sequences=3, max_new=3, max_length=12, page_size=4)


def described(shape: BatchShape) -> PagedBatch:
    return split_buffer(fill_buffer(CHUNKS, shape, spare_page=9, pinned=False), shape)


def test_tokens_go_to_the_slots_of_their_sequences_pages() -> None:
    batch = described(SHAPE)
    assert batch.tokens[:4].tolist() == [7, 8, 9, 4]
    assert batch.positions[:4].tolist() == [3, 4, 5, 0]
    assert batch.slots[:4].tolist() == [23, 8, 9, 4]
    assert batch.pages[:2, :3].tolist() == [[5, 2, 0], [1, 0, 0]]
    assert batch.lengths[:2].tolist() == [6, 1]


def test_padding_goes_to_the_spare_page_and_belongs_to_no_sequence() -> None:
    batch = described(SHAPE)
    assert batch.slots[4:].tolist() == [36, 36]
    assert batch.query_starts.tolist() == [0, 3, 4, 4]
    assert batch.lengths[2:].tolist() == [0]
    assert batch.num_new.tolist() == [4]


def test_the_least_shape_has_no_padding() -> None:
    shape = measure(CHUNKS, 4)
    assert (shape.num_tokens, shape.num_sequences, shape.max_new, shape.max_length) == (4, 2, 3, 6)
    assert SHAPE.holds(shape)
    assert not shape.holds(SHAPE)


def test_tokens_beyond_their_pages_are_refused() -> None:
    chunk = Chunk([1, 2], 7, [0, 1], first_row=0)
    with pytest.raises(ContextOverflowError, match="9 tokens do not fit into 2 pages of 4"):
        fill_buffer([chunk], SHAPE, spare_page=9, pinned=False)


@pytest.mark.parametrize("num_tokens", [1, 6, 33])
def test_every_part_begins_where_a_kernel_need_not_be_compiled_anew(num_tokens: int) -> None:
    shape = replace(SHAPE, num_tokens=num_tokens)
    batch = split_buffer(torch.zeros(shape.num_values, dtype=torch.int32), shape)
    parts = (batch.positions, batch.slots, batch.query_starts, batch.num_new, batch.pages)
    assert all(part.storage_offset() % 16 == 0 for part in parts)
    assert batch.pages.stride(0) % 16 == 0


def test_everything_is_a_view_of_one_buffer() -> None:
    buffer = fill_buffer(CHUNKS, SHAPE, spare_page=9, pinned=False)
    batch = split_buffer(buffer, SHAPE)
    buffer.fill_(3)
    parts = (batch.tokens, batch.query_starts, batch.lengths, batch.pages)
    assert all(torch.equal(part, torch.full_like(part, 3)) for part in parts)
