"""The engine's figures for Prometheus, after vLLM's names. Reads; imports no torch."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from generation.engine.engine import EngineStats

PREFIX: Final = "cimiento_generation_"

FindStats = Callable[[], "EngineStats | None"]
Figures = tuple[tuple[str, str, Callable[["EngineStats"], float]], ...]
_GAUGES: Final[Figures] = (
    ("num_requests_running", "Sequences being computed.", lambda stats: stats.num_running),
    ("num_requests_waiting", "Sequences waiting their turn.", lambda stats: stats.num_waiting),
    ("kv_cache_usage_perc", "Share of the KV cache in use, 0 to 1.", lambda stats: stats.kv_usage),
    ("num_threads", "Threads that compute.", lambda stats: stats.num_threads),
)
_COUNTERS: Final[Figures] = (
    ("prompt_tokens", "Tokens of prompts.", lambda stats: stats.num_prompt_tokens),
    ("generation_tokens", "Tokens written.", lambda stats: stats.num_generated_tokens),
    ("prefix_cache_queries", "Prompt tokens looked for.", lambda stats: stats.num_prompt_tokens),
    ("prefix_cache_hits", "Prompt tokens found.", lambda stats: stats.num_reused_tokens),
    ("num_preemptions", "Sequences put back.", lambda stats: stats.num_preemptions),
    ("spec_decode_num_draft_tokens", "Tokens guessed.", lambda stats: stats.num_guessed),
    ("spec_decode_num_accepted_tokens", "Guesses kept.", lambda stats: stats.num_accepted),
    ("engine_steps", "Passes over the model.", lambda stats: stats.num_steps),
)


class EngineCollector(Collector):
    """Reads the engine's counters when Prometheus asks."""

    def __init__(self, find_stats: FindStats) -> None:
        self._find_stats = find_stats

    def collect(self) -> Iterable[Metric]:
        stats = self._find_stats()
        if stats is None:
            return
        for name, text, read in _GAUGES:
            yield GaugeMetricFamily(PREFIX + name, text, value=float(read(stats)))
        for name, text, read in _COUNTERS:
            yield CounterMetricFamily(PREFIX + name, text, value=float(read(stats)))
