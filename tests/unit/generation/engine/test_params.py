"""An option out of range is refused by name before anything is computed."""

import dataclasses
import math
from typing import Any

import pytest

from generation.engine.errors import SamplingParamsError
from generation.engine.params import MAX_LOGIT_BIASES, MAX_LOGPROBS, SamplingParams


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("temperature", -0.1),
        ("temperature", math.nan),
        ("temperature", math.inf),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("top_p", math.nan),
        ("top_k", 0),
        ("min_p", -0.1),
        ("min_p", 1.1),
        ("repetition_penalty", 0.0),
        ("repetition_penalty", math.inf),
        ("presence_penalty", 2.1),
        ("frequency_penalty", -2.1),
        ("max_tokens", 0),
        ("seed", -1),
        ("num_logprobs", -1),
        ("num_logprobs", MAX_LOGPROBS + 1),
        ("logit_bias", {7: 100.5}),
        ("logit_bias", {-1: 1.0}),
        ("logit_bias", {7: math.nan}),
        ("logit_bias", dict.fromkeys(range(MAX_LOGIT_BIASES + 1), 1.0)),
    ],
)
def test_an_option_out_of_range_is_named(option: str, value: Any) -> None:
    with pytest.raises(SamplingParamsError, match=option):
        SamplingParams(**{option: value})


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0.0, "top_p": 1.0, "top_k": 1, "min_p": 1.0, "num_logprobs": 0},
        {"presence_penalty": -2.0, "frequency_penalty": 2.0, "repetition_penalty": 0.5},
        {"logit_bias": {0: -100.0, 50_000: 100.0}, "seed": 2**200, "num_logprobs": MAX_LOGPROBS},
    ],
)
def test_the_limits_themselves_are_in_range(options: dict[str, Any]) -> None:
    assert dataclasses.replace(SamplingParams(), **options)


def test_by_default_nothing_said_before_matters() -> None:
    assert not SamplingParams().has_penalties


@pytest.mark.parametrize("option", ["repetition_penalty", "presence_penalty", "frequency_penalty"])
def test_any_penalty_makes_the_history_matter(option: str) -> None:
    assert SamplingParams(**{option: 0.5}).has_penalties  # type: ignore[arg-type]


def test_a_bias_for_a_token_that_the_model_lacks_is_refused() -> None:
    params = SamplingParams(logit_bias={9: 1.0, 3: 1.0})
    params.check_vocabulary(10)

    with pytest.raises(SamplingParamsError, match="token 9, the vocabulary has 9"):
        params.check_vocabulary(9)
