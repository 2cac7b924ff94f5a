"""Sampling is a function of logits, options and position, and nothing else."""

import math
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from generation.engine.errors import SamplingParamsError
from generation.engine.params import SamplingParams
from generation.engine.sampling import sample, unit_noise

LOGITS = torch.tensor([1.0, 3.0, 2.0, 0.0, -1.0])


def test_temperature_zero_takes_the_likeliest() -> None:
    assert [sample(LOGITS, SamplingParams(), position) for position in range(5)] == [1] * 5


def test_top_k_one_and_tiny_top_p_take_the_likeliest_at_any_temperature() -> None:
    for params in (
        SamplingParams(temperature=5.0, top_k=1),
        SamplingParams(temperature=5.0, top_p=1e-9),
    ):
        assert {sample(LOGITS, params, position) for position in range(200)} == {1}


def test_top_k_and_top_p_cut_the_tail() -> None:
    by_k = SamplingParams(temperature=10.0, top_k=3)
    assert {sample(LOGITS, by_k, position) for position in range(300)} == {0, 1, 2}
    # softmax of LOGITS / 1: .64 .23 .09 .03 .01
    by_p = SamplingParams(temperature=1.0, top_p=0.8)
    assert {sample(LOGITS, by_p, position) for position in range(300)} == {1, 2}


def test_frequencies_follow_the_softmax() -> None:
    params = SamplingParams(temperature=1.0, seed=7)
    counts = Counter(sample(LOGITS, params, position) for position in range(4000))
    for token, probability in enumerate(LOGITS.softmax(-1).tolist()):
        assert counts[token] / 4000 == pytest.approx(probability, abs=0.025)


@given(st.integers(0, 2**70), st.integers(0, 2**20))
def test_noise_is_fixed_by_seed_and_position(seed: int, position: int) -> None:
    assert 0 <= unit_noise(seed, position) < 1
    assert unit_noise(seed, position) == unit_noise(seed, position)


def test_noise_is_the_same_on_every_machine_and_version() -> None:
    assert unit_noise(0, 0) == pytest.approx(0.6524484, abs=1e-6)
    assert unit_noise(42, 1000) != unit_noise(43, 1000) != unit_noise(43, 1001)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("temperature", -0.1),
        ("temperature", math.nan),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("top_k", 0),
        ("max_tokens", 0),
        ("seed", -1),
    ],
)
def test_an_option_out_of_range_is_named(option: str, value: float) -> None:
    with pytest.raises(SamplingParamsError, match=option):
        SamplingParams(**{option: value})  # type: ignore[arg-type]
