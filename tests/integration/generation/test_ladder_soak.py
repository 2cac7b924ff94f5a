"""Twenty seconds of everything at once on a tiny model: nothing is lost and nobody is forgotten."""

from benchmarks.soak import Soak, build_plan, collect_figures
from benchmarks.soak_traffic import build_tiny_subject

MAX_GROWTH_BYTES = 8 << 20


def test_a_short_soak_loses_no_page_and_no_request() -> None:
    soak = Soak(build_tiny_subject(), build_plan(20.0, is_tiny=True))
    outcome = soak.run()
    figures = collect_figures(soak)
    assert outcome.is_clean, (figures, outcome.faults, outcome.tally.errors)
    assert figures["num_samples"] > 20  # however slow the machine
    assert figures["rss_growth_bytes"] < MAX_GROWTH_BYTES
    # it was a trial only if all of this happened
    for name in ("cancelled", "deadline", "length", "stop"):
        assert figures[f"ended_{name}"] > 0
    assert figures["num_preemptions"] > 0
    assert figures["accepted_share"] > 0
    assert figures["reused_share"] > 0
