"""Sampling is a function of logits, options, history and position, and of nothing else."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from generation.engine.events import TokenChoice
from generation.engine.params import SamplingParams
from generation.engine.penalties import TokenCounts
from generation.engine.sampling import (
    Row,
    choose_tokens,
    sample,
    sample_rows,
    sample_seed,
    unit_noise,
)

LOGITS = torch.tensor([1.0, 3.0, 2.0, 0.0, -1.0])
NUM_DRAWS = 20_000


def draw(logits: Tensor, params: SamplingParams, num_draws: int = NUM_DRAWS) -> Counter[int]:
    """How often each token comes at as many positions."""
    rows = [Row(params=params, position=position) for position in range(num_draws)]
    return Counter(choose_tokens(logits.expand(num_draws, -1), rows).tolist())


def chi_square(counts: Counter[int], probabilities: Sequence[float]) -> float:
    """Pearson's statistic; beyond every number that comes where none should."""
    total = counts.total()
    parts = [
        (counts[token] - total * expected) ** 2 / (total * expected)
        for token, expected in enumerate(probabilities)
        if expected > 0
    ]
    unexpected = set(counts) - {i for i, expected in enumerate(probabilities) if expected > 0}
    return math.inf if unexpected else sum(parts)


def likely_set(logits: NDArray[np.float64], params: SamplingParams) -> tuple[set[int], float]:
    """The tokens that may come, the obvious way, and how near a limit the nearest token is."""
    ranked = sorted(range(len(logits)), key=lambda token: (-logits[token], token))
    scaled = np.exp((logits - logits.max()) / params.temperature)
    ranked = ranked[: params.top_k]
    total = sum(scaled[token] for token in ranked)
    kept, before, margin = set(), 0.0, math.inf
    for token in ranked:
        margin = min(margin, abs(before / total - params.top_p), abs(scaled[token] - params.min_p))
        if before < params.top_p * total and scaled[token] >= params.min_p:
            kept.add(token)
        before += scaled[token]
    return kept, margin


def test_temperature_zero_takes_the_likeliest() -> None:
    assert [sample(LOGITS, SamplingParams(), position) for position in range(5)] == [1] * 5


def test_of_equals_the_first_is_taken() -> None:
    assert sample(torch.tensor([0.0, 2.0, 2.0, 2.0]), SamplingParams(), 0) == 1


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(temperature=5.0, top_k=1),
        SamplingParams(temperature=5.0, top_p=1e-9),
        SamplingParams(temperature=5.0, min_p=1.0),
        SamplingParams(temperature=1e-300),
    ],
)
def test_options_that_leave_one_token_take_the_likeliest(params: SamplingParams) -> None:
    assert set(draw(LOGITS, params, 200)) == {1}


def test_an_immense_temperature_makes_all_tokens_alike() -> None:
    counts = draw(LOGITS, SamplingParams(temperature=1e300))

    assert chi_square(counts, [0.2] * 5) < 18.5  # four degrees of freedom, p = .001


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        (SamplingParams(temperature=1.0, seed=7), [0, 1, 2, 3, 4]),
        (SamplingParams(temperature=2.5, seed=8), [0, 1, 2, 3, 4]),
        (SamplingParams(temperature=1.5, top_k=3, seed=9), [0, 1, 2]),
        # softmax of LOGITS: .086 .636 .234 .032 .012
        (SamplingParams(temperature=1.0, top_p=0.8, seed=10), [1, 2]),
        (SamplingParams(temperature=1.0, min_p=0.1, seed=11), [0, 1, 2]),
        (SamplingParams(temperature=1.0, top_k=4, top_p=0.97, min_p=0.01, seed=12), [0, 1, 2, 3]),
    ],
)
def test_tokens_come_as_often_as_they_are_likely(
    params: SamplingParams, expected: list[int]
) -> None:
    weights = (LOGITS.double() / params.temperature).exp()
    kept = torch.zeros_like(weights)
    kept[expected] = weights[expected]

    # 18.5: p = .001 at four degrees of freedom, less at fewer
    assert chi_square(draw(LOGITS, params), (kept / kept.sum()).tolist()) < 18.5


def test_a_large_vocabulary_is_sampled_as_it_is_likely() -> None:
    logits = torch.randn(2000, generator=torch.Generator().manual_seed(3)) * 2
    counts = draw(logits, SamplingParams(temperature=1.0, seed=1), 5000)
    tenths = logits.double().softmax(-1).reshape(10, 200).sum(-1)
    by_tenth = Counter(
        {i: sum(counts[t] for t in range(200 * i, 200 * i + 200)) for i in range(10)}
    )

    assert chi_square(by_tenth, tenths.tolist()) < 27.9  # nine degrees of freedom, p = .001


@settings(deadline=None)
@given(
    st.lists(st.integers(-30, 30), min_size=1, max_size=12),
    st.sampled_from([0.5, 1.0, 3.0]),
    st.none() | st.integers(1, 14),
    st.sampled_from([0.3, 0.7, 0.95, 1.0]),
    st.sampled_from([0.0, 0.05, 0.4]),
)
def test_exactly_the_likely_tokens_are_kept(
    tenths: list[int], temperature: float, top_k: int | None, top_p: float, min_p: float
) -> None:
    params = SamplingParams(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    logits = np.array(tenths) / 10
    expected, margin = likely_set(logits, params)
    assume(margin > 1e-6)

    drawn = set(draw(torch.tensor(logits, dtype=torch.float32), params, 600))

    assert drawn <= expected
    scaled = np.exp((logits - logits.max()) / temperature)
    share = scaled / sum(scaled[token] for token in expected)
    # a token of one in twenty fails to come in 600 draws once in 10^13
    assert {token for token in expected if share[token] > 0.05} <= drawn


@pytest.mark.parametrize("top_p", [0.3, 0.9, 0.99, 0.999999])
@pytest.mark.parametrize("top_k", [None, 5, 300, 5500])
def test_the_limits_hold_however_far_down_the_ranking_they_are(
    top_p: float, top_k: int | None
) -> None:
    logits = torch.randn(6000, generator=torch.Generator().manual_seed(5))
    params = SamplingParams(temperature=1.5, top_p=top_p, top_k=top_k)
    expected, _ = likely_set(logits.double().numpy(), params)

    drawn = draw(logits, params, 100)

    assert set(drawn) <= expected
    ranks = {token: rank for rank, token in enumerate(logits.argsort(descending=True).tolist())}
    # 100 draws reach well into what is allowed
    assert max(ranks[token] for token in drawn) >= 0.5 * len(expected) - 1


ROWS = st.builds(
    SamplingParams,
    temperature=st.sampled_from([0.0, 0.3, 1.0, 4.0]),
    top_k=st.sampled_from([None, 1, 7, 400]),
    top_p=st.sampled_from([0.2, 0.9, 0.9999, 1.0]),
    min_p=st.sampled_from([0.0, 0.02]),
    repetition_penalty=st.sampled_from([1.0, 1.3]),
    presence_penalty=st.sampled_from([0.0, 0.5]),
    frequency_penalty=st.sampled_from([0.0, -0.5]),
    logit_bias=st.sampled_from([{}, {3: 2.5, 8: -100.0}]),
    num_logprobs=st.sampled_from([None, 0, 4]),
    seed=st.integers(0, 2**64),
)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(ROWS, min_size=1, max_size=6),
    st.sampled_from([11, 700, 5003]),
    st.integers(0, 2**32),
)
def test_a_row_is_the_same_alone_and_in_any_batch(
    options: list[SamplingParams], vocab_size: int, seed: int
) -> None:
    noise = torch.Generator().manual_seed(seed)
    # rounded, so that there are ties
    logits = (torch.randn(len(options), vocab_size, generator=noise) * 12).round() / 4
    history = torch.randint(vocab_size, (20,), generator=noise).tolist()
    allowed = torch.rand(vocab_size, generator=noise) < 0.7
    allowed[0] = True
    rows = [
        Row(
            params=params,
            position=index,
            sample=index % 2,
            counts=TokenCounts(history[:10]).update(history[10:]) if index % 3 else None,
            guesses=history[: index % 4],
            mask=allowed if index % 2 else None,
        )
        for index, params in enumerate(options)
    ]

    together = sample_rows(logits, rows)

    assert together == [
        sample_rows(logits[i : i + 1].clone(), [row])[0] for i, row in enumerate(rows)
    ]
    assert together == sample_rows(logits.flip(0), rows[::-1])[::-1]


def test_sampling_leaves_the_logits_as_they_are() -> None:
    logits = LOGITS[None].clone()
    params = SamplingParams(
        temperature=1.0, top_p=0.9, repetition_penalty=2.0, logit_bias={1: 3.0}, num_logprobs=2
    )
    mask = torch.tensor([True, True, False, True, True])
    sample_rows(logits, [Row(params=params, position=0, counts=TokenCounts([1, 2]), mask=mask)])

    assert torch.equal(logits[0], LOGITS)


@pytest.mark.parametrize("temperature", [0.0, 3.0])
def test_only_what_the_mask_allows_is_chosen(temperature: float) -> None:
    mask = torch.tensor([True, False, False, True, False])
    rows = [
        Row(params=SamplingParams(temperature=temperature, seed=seed), position=0, mask=mask)
        for seed in range(300)
    ]
    chosen = set(choose_tokens(LOGITS.expand(300, -1), rows).tolist())

    assert chosen == ({0} if temperature == 0 else {0, 3})


def test_a_bias_lifts_or_bans_a_token() -> None:
    assert sample(LOGITS, SamplingParams(logit_bias={4: 100.0}), 0) == 4
    assert sample(LOGITS, SamplingParams(logit_bias={1: -100.0}), 0) == 2


def test_logprobs_are_the_models_own() -> None:
    params = SamplingParams(
        temperature=3.0, top_k=1, logit_bias={0: 50.0}, num_logprobs=3, repetition_penalty=2.0
    )
    row = Row(params=params, position=0, counts=TokenCounts([1, 2, 0]))
    expected = LOGITS.double().log_softmax(-1)

    (choice,) = sample_rows(LOGITS[None], [row])

    assert choice.token == 0
    assert choice.logprob == pytest.approx(float(expected[0]), abs=1e-6)
    assert [token for token, _ in choice.alternatives] == [1, 2, 0]
    assert [value for _, value in choice.alternatives] == pytest.approx(
        expected[[1, 2, 0]].tolist(), abs=1e-6
    )


def test_each_row_gets_the_logprobs_that_it_asked_for() -> None:
    rows = [
        Row(params=SamplingParams(num_logprobs=wanted), position=0) for wanted in (None, 0, 20, 2)
    ]
    none, own, all_five, two = sample_rows(LOGITS.expand(4, -1), rows)

    assert none == TokenChoice(1)
    assert own.logprob is not None
    assert own.alternatives == ()
    assert [len(all_five.alternatives), len(two.alternatives)] == [5, 2]


@settings(deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1.0, 10.0, 60.0]))
def test_logprobs_are_exact_to_float32_however_peaked(seed: int, scale: float) -> None:
    logits = torch.randn(1, 3000, generator=torch.Generator().manual_seed(seed)) * scale
    (choice,) = sample_rows(logits, [Row(params=SamplingParams(num_logprobs=20), position=0)])

    expected = logits[0].double().log_softmax(-1)
    tokens = [token for token, _ in choice.alternatives]
    assert tokens == logits[0].argsort(descending=True)[:20].tolist()
    assert [value for _, value in choice.alternatives] == pytest.approx(
        expected[tokens].tolist(), rel=1e-6, abs=1e-6
    )


def test_logits_that_are_not_numbers_still_give_a_token() -> None:
    for params in (SamplingParams(), SamplingParams(temperature=1.0, top_p=0.5, num_logprobs=1)):
        (choice,) = sample_rows(torch.full((1, 7), math.nan), [Row(params=params, position=0)])
        assert 0 <= choice.token < 7


def test_infinite_logits_are_certain() -> None:
    logits = torch.tensor([0.0, -math.inf, 5.0, -math.inf])

    assert set(draw(logits, SamplingParams(temperature=50.0), 500)) == {0, 2}


def test_no_rows_give_no_tokens() -> None:
    assert sample_rows(torch.zeros(0, 5), []) == []


@given(st.integers(0, 2**70), st.integers(0, 2**20))
def test_noise_is_fixed_by_seed_and_position(seed: int, position: int) -> None:
    assert 0 <= unit_noise(seed, position) < 1
    assert unit_noise(seed, position) == unit_noise(seed, position)


def test_noise_is_the_same_on_every_machine_and_version() -> None:
    assert unit_noise(0, 0) == pytest.approx(0.6524484, abs=1e-6)
    assert unit_noise(42, 1000) != unit_noise(43, 1000) != unit_noise(43, 1001)


def test_noise_is_even_over_positions_and_over_seeds() -> None:
    for draws in (
        [unit_noise(5, position) for position in range(10_000)],
        [unit_noise(seed, 5) for seed in range(10_000)],
        [unit_noise(sample_seed(5, index), 5) for index in range(10_000)],
    ):
        counts = Counter(int(10 * value) for value in draws)
        assert chi_square(counts, [0.1] * 10) < 27.9  # nine degrees of freedom, p = .001


@given(st.integers(0, 2**64))
def test_samples_have_seeds_of_their_own_and_the_first_the_requests(seed: int) -> None:
    seeds = [sample_seed(seed, index) for index in range(20)]

    assert seeds[0] == seed
    assert len(set(seeds)) == 20


def test_a_sample_of_several_is_drawn_with_its_own_seed() -> None:
    params = SamplingParams(temperature=5.0, seed=3)
    rows = [
        Row(params=params, position=position, sample=index)
        for index in (0, 1)
        for position in range(50)
    ]
    tokens = choose_tokens(LOGITS.expand(100, -1), rows).tolist()

    assert tokens[:50] == [sample(LOGITS, params, position) for position in range(50)]
    assert tokens[:50] != tokens[50:]
