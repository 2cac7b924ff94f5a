"""Every way of attention over pages answers as each sequence alone would be answered."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generation.engine.cuda.backends import GatheredAttention, TritonAttention
from tests.unit.generation.engine.cuda.batches import Case, draw

CASES = {
    "one decode": Case(lengths=((20, 1),)),
    "the first token": Case(lengths=((0, 1),)),
    "a whole prompt": Case(lengths=((0, 37),)),
    "the later part of a prompt": Case(lengths=((29, 40),)),
    "decodes of many lengths": Case(lengths=((0, 1), (15, 1), (16, 1), (90, 1))),
    "prompts and decodes": Case(lengths=((33, 1), (5, 20), (0, 9), (70, 1))),
    "verified guesses": Case(lengths=((33, 4), (80, 8)), padding=3),
    "padding": Case(lengths=((33, 1), (5, 1)), padding=6),
    "a window": Case(lengths=((100, 1), (3, 1), (40, 30)), window=20),
    "a window of one": Case(lengths=((50, 1), (10, 12)), window=1),
    "a window over blocks": Case(lengths=((200, 1), (130, 6)), window=70),
    "one key head": Case(lengths=((33, 1), (5, 20)), num_heads=3, num_kv_heads=1),
    "as many key heads": Case(lengths=((33, 1), (5, 20)), num_heads=3, num_kv_heads=3),
    "nine heads, three key heads": Case(
        lengths=((33, 1), (5, 20)), num_heads=9, num_kv_heads=3, head_dim=64
    ),
    "wide heads": Case(lengths=((33, 1), (5, 9)), head_dim=128),
    "the widest heads": Case(lengths=((33, 1), (5, 9)), head_dim=256, num_kv_heads=1),
    "heads that are no power of two": Case(lengths=((33, 1), (5, 9)), head_dim=80),
    "other pages": Case(lengths=((33, 1), (5, 20)), page_size=4),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_gathered_equals_alone(case: Case) -> None:
    drawn = draw(case)
    torch.testing.assert_close(drawn.attend(GatheredAttention()), drawn.expected())


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_triton_equals_alone(case: Case, triton_attention: TritonAttention) -> None:
    drawn = draw(case)
    torch.testing.assert_close(
        drawn.attend(triton_attention), drawn.expected(), rtol=1e-4, atol=1e-5
    )


def test_triton_in_half_precision_is_as_near_as_its_rounding(
    triton_attention: TritonAttention,
) -> None:
    # not bfloat16: the interpreter's products read it as whole numbers
    drawn = draw(Case(lengths=((33, 1), (5, 20)), dtype=torch.float16))
    torch.testing.assert_close(
        drawn.attend(triton_attention).float(), drawn.expected().float(), rtol=0, atol=0.004
    )


lengths = st.tuples(st.integers(0, 80), st.integers(1, 20))


@given(
    lengths=st.lists(lengths, min_size=1, max_size=4).map(tuple),
    window=st.none() | st.integers(1, 90),
    page_size=st.sampled_from([1, 4, 16]),
    heads=st.sampled_from([(1, 1), (4, 2), (5, 1)]),
    padding=st.integers(0, 3),
    seed=st.integers(0, 1000),
)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_triton_equals_gathered_whatever_the_batch(
    triton_attention: TritonAttention,
    lengths: tuple[tuple[int, int], ...],
    window: int | None,
    page_size: int,
    heads: tuple[int, int],
    padding: int,
    seed: int,
) -> None:
    drawn = draw(
        Case(
            lengths=lengths,
            window=window,
            page_size=page_size,
            num_heads=heads[0],
            num_kv_heads=heads[1],
            padding=padding,
            seed=seed,
        )
    )
    torch.testing.assert_close(
        drawn.attend(triton_attention), drawn.attend(GatheredAttention()), rtol=1e-4, atol=1e-5
    )


def test_few_sequences_are_split_until_the_card_is_full(triton_works: None) -> None:
    attention = TritonAttention(num_processors=132)
    assert attention._choose_splits(3, 1000) == 32  # no more than are quickly joined
    assert attention._choose_splits(24, 1000) == 8
    assert attention._choose_splits(24, 5) == 4  # no more than there are blocks
    assert attention._choose_splits(400, 1000) == 1
