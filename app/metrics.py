"""The service's figures for Prometheus. Counts; decides nothing. No label takes many values."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final, get_args

import httpx2
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError

from app.outcomes import Outcome, Status
from app.processes.channel import Seat
from app.processes.roll import Roll
from core.settings import Settings
from generation.engine_metrics import EngineCollector, FindStats
from ingestion.jobs import Backlog

PREFIX: Final = "cimiento_"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_WORKER_ANSWERS_S: Final = 5.0
_OF_ENGINE: Final = PREFIX + "generation_"
# a path that is none of ours would be a label of its own for every scan of a stranger
_NO_ROUTE: Final = "none"
_BUCKETS_S: Final = (
    *(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0),
)


class Metrics:
    """What one service counts; each has a registry of its own. Thread-safe.

    Processes that serve one address count together, in files of the folder that they share, so that
    it does not matter which of them is asked. PROMETHEUS_MULTIPROC_DIR must have named it before
    this library was imported.
    """

    def __init__(self, *collectors: Collector, shared: Path | None = None) -> None:
        self.registry = CollectorRegistry()
        for collector in collectors:
            self.registry.register(collector)
        self._own = self.registry if shared is None else CollectorRegistry()
        if shared is None:
            ProcessCollector(registry=self.registry)
        else:
            self.registry.register(_collector_of(shared))
            self.registry.register(ProcessesCollector(Roll(shared)))
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
        self._questions_asked = self._counter(
            "question_cache_queries", "Vectors of questions asked for."
        )
        self._questions_kept = self._counter(
            "question_cache_hits", "Those of them that were at hand."
        )
        # series that are there before anything has happened can be alarmed on
        for status in get_args(Status):
            self._answers.labels(status)
        self._requests_under_way = self._gauge("requests_under_way", "Requests being served.")
        self._answers_under_way = self._gauge("answers_under_way", "Answers being written.")

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

    def note_under_way(self, num_requests: int, num_answers: int) -> None:
        """What this process does at the moment."""
        self._requests_under_way.set(num_requests)
        self._answers_under_way.set(num_answers)

    def count_questions(self, num_asked: int, num_kept: int) -> None:
        """Vectors of questions were asked for; so many of them were at hand."""
        self._questions_asked.inc(num_asked)
        self._questions_kept.inc(num_kept)

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
        return Counter(PREFIX + name, text, labels, registry=self._own)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(PREFIX + name, text, registry=self._own, multiprocess_mode="livesum")

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(PREFIX + name, text, labels, registry=self._own, buckets=_BUCKETS_S)


def build_metrics(
    settings: Settings,
    backlog: Callable[[], Backlog],
    find_stats: FindStats | None,
    seat: Seat | None,
) -> Metrics:
    """What the service counts, with what its queue and its engine say.

    find_stats: of an engine in this process. seat: of this process among several at one address.
    """
    collectors: list[Collector] = [BacklogCollector(backlog)]
    if find_stats is not None:
        collectors.append(EngineCollector(find_stats))
    if seat is not None and seat.has_model:
        # nobody else knows its port
        (url,) = settings.generation.urls
        collectors.append(WorkerCollector(url, settings.generation.api_key))
    return Metrics(*collectors, shared=None if seat is None else seat.shared)


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


class ProcessesCollector(Collector):
    """Reads memory, processor time and open files of each process when Prometheus asks."""

    def __init__(self, roll: Roll) -> None:
        self._roll = roll

    def collect(self) -> Iterable[Metric]:
        """The figures of `ProcessCollector`, with the process's name for a label."""
        told: dict[str, Metric] = {}
        for name, pid in self._roll.read().items():
            for family in ProcessCollector(pid=partial(int, pid), registry=None).collect():
                one = told.setdefault(
                    family.name, Metric(family.name, family.documentation, family.type)
                )
                for sample in family.samples:
                    one.add_sample(sample.name, {"process": name}, sample.value)
        return told.values()


class WorkerCollector(Collector):
    """Passes on what a generation worker tells of its engine."""

    def __init__(self, url: str, key: SecretStr | None) -> None:
        headers = {} if key is None else {"Authorization": f"Bearer {key.get_secret_value()}"}
        self._client = httpx2.Client(base_url=url, headers=headers, timeout=_WORKER_ANSWERS_S)

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering asks no worker."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """The engine's figures; none while the worker does not answer."""
        try:
            page = self._client.get("/metrics").raise_for_status()
        except httpx2.HTTPError:
            return
        for family in text_string_to_metric_families(page.text):
            if family.name.startswith(_OF_ENGINE):
                yield family


def _collector_of(shared: Path) -> Collector:
    """What reads the files that processes count in."""
    collector: Collector = MultiProcessCollector(None, str(shared))  # type: ignore[no-untyped-call] # the library's own
    return collector


def _reading(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, text, value=value)
