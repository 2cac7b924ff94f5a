"""Shapes are buckets; a recorded step is found for every batch that fits one."""

from generation.engine.cuda.batch import BatchShape, measure
from generation.engine.cuda.graphs import bucket_shapes
from generation.engine.runner import Chunk


def buckets(max_sequences: int, *, max_verified: int = 8) -> list[BatchShape]:
    return bucket_shapes(
        max_sequences=max_sequences, max_context=256, page_size=16, max_verified=max_verified
    )


def test_buckets_reach_the_most_sequences_exactly() -> None:
    sizes = [shape.num_tokens for shape in buckets(40, max_verified=1)]
    assert sizes == [1, 2, 4, 8, 16, 32, 40]


def test_one_sequence_has_one_bucket_for_decoding() -> None:
    assert [(s.num_tokens, s.max_new) for s in buckets(1)] == [(1, 1), (2, 8), (4, 8), (8, 8)]


def test_any_mixture_of_guesses_fits_a_bucket_while_few_run() -> None:
    for guesses in ([7], [7, 7, 7, 7], [3, 0, 7], [0, 3]):
        chunks = [Chunk(list(range(1 + g)), 20, [0, 1], first_row=0) for g in guesses]
        assert any(shape.holds(measure(chunks, 16)) for shape in buckets(8))


def test_a_prompt_fits_no_bucket() -> None:
    prompt = measure([Chunk(list(range(9)), 0, [0], first_row=8)], 16)
    assert not any(shape.holds(prompt) for shape in buckets(64))
