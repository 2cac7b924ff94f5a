"""What cards say of a run."""

import pytest

from generation.training.tuning_card import describe_time


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.3, "0 s"), (9.7, "10 s"), (119.0, "119 s"), (420.0, "7 min"), (11_000.0, "3.1 h")],
)
def test_a_runs_time_is_told_in_the_unit_that_fits_it(seconds: float, told: str) -> None:
    assert describe_time(seconds) == told
