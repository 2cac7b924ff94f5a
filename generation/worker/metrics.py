"""The worker's figures for Prometheus, after vLLM's names. Counts; decides nothing."""

import time
from collections.abc import Callable
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from generation.completion import Ended, TextEvent
from generation.engine.engine import EngineStats
from generation.engine.sequence import FinishReason
from generation.engine_metrics import PREFIX, EngineCollector

_FIRST_TOKEN_BUCKETS_S: Final = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5),
    *(10.0, 20.0, 40.0, 80.0, 160.0),
)
_TOKEN_BUCKETS_S: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75),
    *(1.0, 2.5, 5.0),
)
_REQUEST_BUCKETS_S: Final = (
    *(0.1, 0.25, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0),
    *(120.0, 240.0, 480.0, 960.0),
)


class Metrics:
    """What one worker counts; each has a registry of its own."""

    def __init__(self, find_stats: Callable[[], EngineStats | None]) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(EngineCollector(find_stats))
        ProcessCollector(registry=self.registry)
        self.ended = Counter(
            PREFIX + "request_success",
            "Samples that ended, by why.",
            ("finished_reason",),
            registry=self.registry,
        )
        self.refused = Counter(
            PREFIX + "requests_refused",
            "Requests that were refused, by the error's code.",
            ("code",),
            registry=self.registry,
        )
        self.first_token_s = self._histogram(
            "time_to_first_token_seconds", "From request to first text.", _FIRST_TOKEN_BUCKETS_S
        )
        self.between_s = self._histogram(
            "inter_token_latency_seconds", "Between two pieces of a sample.", _TOKEN_BUCKETS_S
        )
        self.request_s = self._histogram(
            "e2e_request_latency_seconds", "From request to the end.", _REQUEST_BUCKETS_S
        )

    def render(self) -> bytes:
        """The page that Prometheus reads."""
        return generate_latest(self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(PREFIX + name, text, registry=self.registry, buckets=buckets)


class Stopwatch:
    """Times one request by the events that come of it."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._started_s = time.monotonic()
        self._last_s: dict[int, float] = {}
        self._num_ended = 0

    def note(self, event: TextEvent) -> None:
        """An event has come."""
        now_s = time.monotonic()
        if isinstance(event, Ended):
            self._metrics.ended.labels(event.reason.value).inc()
            self._num_ended += 1
            return
        if not self._last_s:
            self._metrics.first_token_s.observe(now_s - self._started_s)
        elif event.sample in self._last_s:
            self._metrics.between_s.observe(now_s - self._last_s[event.sample])
        self._last_s[event.sample] = now_s

    def stop(self, *, num_samples: int) -> None:
        """The request is over; samples that have not ended were left by their client."""
        num_left = num_samples - self._num_ended
        if num_left:
            self._metrics.ended.labels(FinishReason.CANCELLED.value).inc(num_left)
        self._metrics.request_s.observe(time.monotonic() - self._started_s)
