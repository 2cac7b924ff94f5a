"""Penalties and biases are the published formulas, and their history is counted as it grows."""

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from generation.engine.params import SamplingParams
from generation.engine.penalties import TokenCounts
from generation.engine.sampling import Row, choose_tokens

LOGITS = torch.tensor([1.0, 3.0, 2.0, 0.0, -1.0])


def choose(logits: Tensor, row: Row) -> int:
    return int(choose_tokens(logits[None], [row]))


def test_penalties_are_those_of_transformers_and_openai() -> None:
    processors = pytest.importorskip("transformers.generation.logits_process")
    logits = torch.randn(1, 50, generator=torch.Generator().manual_seed(2)) * 3
    prompt, output = [1, 2, 3, 3], [3, 4, 4, 4, 5]
    processor = processors.RepetitionPenaltyLogitsProcessor(penalty=1.7)
    expected = processor(torch.tensor([prompt + output]), logits.clone())[0].double()
    for token, times in Counter(output).items():
        expected[token] -= 0.5 * times + 1.25
    expected[6] += 4.0

    params = SamplingParams(
        repetition_penalty=1.7, frequency_penalty=0.5, presence_penalty=1.25, logit_bias={6: 4.0}
    )
    counts = TokenCounts(prompt).update(output)
    masks = ~torch.eye(50, dtype=torch.bool)
    # leaving out ever more of the likeliest gives the whole order
    order: list[int] = []
    mask = torch.ones(50, dtype=torch.bool)
    for _ in range(50):
        order.append(choose(logits[0], Row(params=params, position=0, counts=counts, mask=mask)))
        mask = mask & masks[order[-1]]

    assert order == expected.argsort(descending=True).tolist()


def test_a_frequent_token_gives_way_as_it_repeats() -> None:
    params = SamplingParams(frequency_penalty=1.0)
    counts = TokenCounts([1, 1, 1])
    output: list[int] = []
    for _ in range(4):
        row = Row(params=params, position=0, counts=counts.update(output))
        output.append(choose(LOGITS, row))

    # 3 and 2 tie at the second; the first id is taken of equals, and the prompt does not count
    assert output == [1, 1, 2, 0]


def test_a_repeated_prompt_token_is_penalised_as_well() -> None:
    row = Row(params=SamplingParams(repetition_penalty=2.0), position=0, counts=TokenCounts([1]))

    assert choose(LOGITS, row) == 2


@given(st.lists(st.integers(0, 9)), st.lists(st.integers(0, 9)), st.lists(st.integers(0, 9)))
def test_counts_follow_the_output_and_the_guesses(
    prompt: list[int], output: list[int], guesses: list[int]
) -> None:
    counts = TokenCounts(prompt)
    for size in range(len(output) + 1):
        counts.update(output[:size])

    ids, times = counts.after(guesses)

    assert dict(zip(ids.tolist(), times.tolist(), strict=True)) == {
        token: (output + guesses).count(token) for token in {*prompt, *output, *guesses}
    }
    assert counts.after()[1].sum() == len(output)


def test_counts_grow_beyond_what_they_began_with() -> None:
    ids, times = TokenCounts([]).update(list(range(1000)) * 2).after()

    assert ids.tolist() == list(range(1000))
    assert set(times.tolist()) == {2}
