"""The service's figures for Prometheus. Counts; decides nothing. No label takes many values."""

from collections.abc import Callable, Iterable
from typing import Final, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from app.kept_questions import QuestionCounts
from app.outcomes import Outcome, Status
from ingestion.jobs import Backlog

PREFIX: Final = "cimiento_"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# a path that is none of ours would be a label of its own for every scan of a stranger
_NO_ROUTE: Final = "none"
_BUCKETS_S: Final = (
    *(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0),
)


class Metrics:
    """What one service counts; each has a registry of its own. Thread-safe."""

    def __init__(self, *collectors: Collector) -> None:
        self.registry = CollectorRegistry()
        for collector in collectors:
            self.registry.register(collector)
        ProcessCollector(registry=self.registry)
        self._requests = self._counter(
            "requests", "Requests, by method, route and status.", "method", "route", "status"
        )
        self._request_s = self._histogram(
            "request_duration_seconds", "From request to the end of its response.", "route"
        )
        self._problems = self._counter("problems", "Errors that were sent, by code.", "code")
        self._answers = self._counter("answers", "Answers, by how they ended.", "status")
        self._stage_s = self._histogram(
            "stage_duration_seconds", "What a search or an answer took until then.", "stage"
        )
        self._tokens = self._counter("tokens", "Tokens of answers, read and written.", "kind")
        # series that are there before anything has happened can be alarmed on
        for status in get_args(Status):
            self._answers.labels(status)
        self.requests_under_way = self._gauge("requests_under_way", "Requests being served.")
        self.answers_under_way = self._gauge("answers_under_way", "Answers being written.")

    def render(self) -> bytes:
        """The page that Prometheus reads."""
        return generate_latest(self.registry)

    def count_request(
        self, method: str, route: str | None, status: int, *, seconds: float, problem: str | None
    ) -> None:
        """A request has been answered. `route` is its path with parameters, not what was asked."""
        method = method if method in _METHODS else "other"
        self._requests.labels(method, route or _NO_ROUTE, str(status)).inc()
        self._request_s.labels(route or _NO_ROUTE).observe(seconds)
        if problem is not None:
            self._problems.labels(problem).inc()

    def count_search(self, seconds: float) -> None:
        """Passages were found, without an answer."""
        self._stage_s.labels("search").observe(seconds)

    def count_answer(self, outcome: Outcome) -> None:
        """An answer came to its end."""
        self._answers.labels(outcome.status).inc()
        self._tokens.labels("prompt").inc(outcome.usage.prompt_tokens)
        self._tokens.labels("completion").inc(outcome.usage.completion_tokens)
        self._stage_s.labels("retrieve").observe(outcome.retrieve_s)
        if outcome.first_token_s is not None:
            self._stage_s.labels("first_token").observe(outcome.first_token_s)
        self._stage_s.labels("answer").observe(outcome.total_s)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(PREFIX + name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(PREFIX + name, text, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(PREFIX + name, text, labels, registry=self.registry, buckets=_BUCKETS_S)


class BacklogCollector(Collector):
    """Counts the jobs in the database when Prometheus asks."""

    def __init__(self, read: Callable[[], Backlog]) -> None:
        self._read = read

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering asks no database."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """The figures; without a database only that there is none."""
        try:
            backlog = self._read()
        except SQLAlchemyError:
            yield _reading("database_up", "Whether the database answers.", 0)
            return
        yield _reading("database_up", "Whether the database answers.", 1)
        yield _reading("jobs_queued", "Jobs that wait for a worker.", backlog.num_queued)
        yield _reading("jobs_failed", "Jobs that failed, and wait for you.", backlog.num_failed)
        yield _reading("jobs_oldest_seconds", "How long the first has waited.", backlog.oldest_s)
        running = GaugeMetricFamily(
            PREFIX + "jobs_running", "Jobs that run, by stage.", labels=("stage",)
        )
        for stage, number in backlog.num_running.items():
            running.add_metric((stage,), number)
        yield running


class QuestionCollector(Collector):
    """Reads what became of vectors of questions when Prometheus asks."""

    def __init__(self, read: Callable[[], QuestionCounts]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """The figures, named as those of the engine's prefix cache are."""
        counts = self._read()
        for name, text, number in (
            ("question_cache_queries", "Vectors of questions asked for.", counts.num_asked),
            ("question_cache_hits", "Those of them that were at hand.", counts.num_kept),
        ):
            yield CounterMetricFamily(PREFIX + name, text, value=number)


def _reading(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, text, value=value)
