"""Traces of requests, searches and answers, after OpenTelemetry's conventions. Never of a text.

FastAPI traces requests by itself, once it is given a provider; spans of what they had done lie
inside theirs. The conventions for generative AI are still "development": their names stand here and
nowhere else. (https://opentelemetry.io/docs/specs/semconv/gen-ai, as of November 2026)
"""

import time
from collections.abc import Mapping
from importlib.metadata import version
from typing import Final

from fastapi.telemetry import TelemetryConfig
from opentelemetry.trace import NoOpTracerProvider, SpanKind, StatusCode, TracerProvider
from starlette.types import Scope

from app.outcomes import Outcome
from core.errors import SettingsError
from core.operator_settings import TracingSettings

_SERVICE: Final = "cimiento"
# asked every few seconds, or with a secret in the address
_NOT_TRACED: Final = ("/health/", "/metrics", "/static/", "/sign-in")
# of what did not come to an end of its own
_CUT_SHORT: Final = {"cancelled": "cancelled", "failed": "error"}

Value = str | int | float | list[str]


class Tracing:
    """Makes spans of what has been done, and says how FastAPI traces. Thread-safe."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(_SERVICE, version(_SERVICE))

    @property
    def of_requests(self) -> TelemetryConfig:
        """How FastAPI traces: requests alone. Its logs and metrics would be a second set."""
        return TelemetryConfig(
            tracer_provider=self._provider,
            tracing=not isinstance(self._provider, NoOpTracerProvider),
            metrics=False,
            logs=False,
            operation_spans=False,
            auto_configure=False,
            exclude=_is_not_traced,
        )

    def tell_search(self, seconds: float, *, num_passages: int) -> None:
        """A search has ended just now."""
        self._tell_retrieval(time.time() - seconds, seconds, num_passages)

    def tell_answer(self, outcome: Outcome) -> None:
        """An answer has ended just now."""
        begin_s = time.time() - outcome.total_s
        self._tell_retrieval(begin_s, outcome.retrieve_s, outcome.num_passages)
        sampling = outcome.sampling
        attributes: dict[str, Value | None] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": outcome.model,
            "gen_ai.request.temperature": sampling.temperature,
            "gen_ai.request.top_p": sampling.top_p,
            "gen_ai.request.max_tokens": sampling.max_tokens,
            "gen_ai.request.seed": sampling.seed,
            "gen_ai.request.choice.count": sampling.n if sampling.n > 1 else None,
            "gen_ai.response.id": outcome.id,
            "gen_ai.response.model": outcome.model,
            "gen_ai.response.finish_reasons": [
                _CUT_SHORT.get(outcome.status, outcome.finish_reason)
            ],
            "gen_ai.conversation.id": outcome.conversation_id,
            "gen_ai.usage.input_tokens": outcome.usage.prompt_tokens,
            "gen_ai.usage.output_tokens": outcome.usage.completion_tokens,
            # the conventions have no word for this
            "cimiento.answer.status": outcome.status,
        }
        span_s = (begin_s + outcome.retrieve_s, begin_s + outcome.total_s)
        self._tell(f"chat {outcome.model}", span_s, attributes)

    def close(self) -> None:
        """Send what waits, and end."""
        if shut_down := getattr(self._provider, "shutdown", None):
            shut_down()

    def _tell_retrieval(self, begin_s: float, seconds: float, num_passages: int) -> None:
        attributes: dict[str, Value | None] = {
            "gen_ai.operation.name": "retrieval",
            "cimiento.retrieval.passages": num_passages,
        }
        self._tell("retrieval", (begin_s, begin_s + seconds), attributes)

    def _tell(
        self, name: str, span_s: tuple[float, float], attributes: Mapping[str, Value | None]
    ) -> None:
        begin_ns, end_ns = (int(moment * 1e9) for moment in span_s)
        known = {key: each for key, each in attributes.items() if each is not None}
        span = self._tracer.start_span(
            name,
            kind=SpanKind.INTERNAL,
            attributes={"gen_ai.provider.name": _SERVICE, **known},
            start_time=begin_ns,
        )
        if known.get("cimiento.answer.status") == "failed":
            span.set_status(StatusCode.ERROR)
        span.end(end_ns)


def build_tracing(settings: TracingSettings) -> Tracing:
    """Traces to where the settings say, or to nowhere. Raises `SettingsError`."""
    if settings.endpoint is None:
        return Tracing(NoOpTracerProvider())
    try:
        # Late, all four: the extra that brings them may not be installed.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider as Provider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise SettingsError(
            "CIMIENTO_TRACING__ENDPOINT needs what the extra cimiento[otel] installs"
        ) from error
    resource = Resource.create({"service.name": _SERVICE, "service.version": version(_SERVICE)})
    provider = Provider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(settings.endpoint)))
    return Tracing(provider)


def _is_not_traced(scope: Scope) -> bool:
    path: str = scope["path"]
    return path.startswith(_NOT_TRACED)
