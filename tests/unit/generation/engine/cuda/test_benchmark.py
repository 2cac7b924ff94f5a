"""The card's benchmark runs to its end where there is no card, on a model too small to matter."""

import torch

from benchmarks.gpu import SMOKE, Bench, Results


def test_every_part_has_its_figures() -> None:
    bench = Bench(SMOKE, torch.device("cpu"))
    bench.run()
    assert bench.results.failures == {}
    assert bench.results.figures["tiny_top1_agreement"] == 1.0
    assert {"tiny_step_us", "tiny_share_of_roof", "tiny_streams2_tok_s", "tiny_plain_step_us"} <= (
        bench.results.figures.keys()
    )


def test_a_part_that_fails_costs_no_other_its_figures() -> None:
    def fail() -> dict[str, float]:
        raise RuntimeError("out of memory")

    results = Results(limit_s=60)
    results.take("first", fail)
    results.take("second", lambda: {"speed": 1.0})
    assert results.figures == {"speed": 1.0}
    assert results.failures == {"first": "RuntimeError: out of memory"}


def test_no_part_is_begun_after_the_time_is_up() -> None:
    results = Results(limit_s=-1)
    results.take("late", lambda: {"speed": 1.0})
    assert results.figures == {}
    assert "left out" in results.failures["late"]
