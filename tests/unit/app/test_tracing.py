"""What is traced: requests with what they had done inside, figures and ids, and never a word."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest
from fastapi.testclient import TestClient
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.main import create_app
from app.outcomes import Outcome, Status
from app.tracing import Tracing, build_tracing
from core.operator_settings import TracingSettings
from generation.types import FinishReason, Sampling, Usage
from tests.unit.app.house import House

QUESTION = {"question": "When does the swimming pool open?", "min_confidence": 0}


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """Where the spans go."""
    exporter = InMemorySpanExporter()
    yield exporter
    exporter.shutdown()


@pytest.fixture
def tracing(spans: InMemorySpanExporter) -> Tracing:
    """What sends them there."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return Tracing(provider)


@pytest.fixture
def traced(pool: House, tracing: Tracing) -> TestClient:
    """A client of a service that traces."""
    services = replace(pool.services, tracing=tracing)
    app = create_app(services, web_root=pool.web_root)
    return TestClient(
        app,
        base_url=services.settings.base_url,
        headers={"Authorization": f"Bearer {pool.key}"},
    )


def by_name(spans: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans.get_finished_spans()}


def test_an_answer_is_a_trace(traced: TestClient, spans: InMemorySpanExporter) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = traced.post("/v1/answer", json=QUESTION, headers={"traceparent": parent}).json()
    found = by_name(spans)
    assert found.keys() == {"POST /v1/answer", "retrieval", "chat fake-generator"}
    request = found["POST /v1/answer"]
    for name in ("retrieval", "chat fake-generator"):
        around = found[name].parent
        assert around is not None
        assert around == request.context
        assert f"{around.trace_id:032x}" in parent
    chat = found["chat fake-generator"]
    told = dict(chat.attributes or {})
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.response.id"] == answer["id"]
    assert told["gen_ai.usage.output_tokens"] == answer["usage"]["completion_tokens"]
    assert told["cimiento.answer.status"] == answer["status"]
    retrieval = found["retrieval"]
    assert retrieval.end_time is not None
    assert retrieval.end_time == chat.start_time
    assert dict(retrieval.attributes or {})["cimiento.retrieval.passages"] == len(
        answer["passages"]
    )


@pytest.mark.parametrize(
    ("status", "finish_reason", "told"),
    [
        ("answered", "stop", "stop"),
        ("partial", "length", "length"),
        ("cancelled", "stop", "cancelled"),
        ("failed", "stop", "error"),
    ],
)
def test_what_ended_an_answer_is_traced(
    tracing: Tracing,
    spans: InMemorySpanExporter,
    status: Status,
    finish_reason: FinishReason,
    told: str,
) -> None:
    outcome = Outcome(
        id="ans_1",
        status=status,
        finish_reason=finish_reason,
        model="small",
        sampling=Sampling(),
        usage=Usage(),
        num_passages=1,
        conversation_id=None,
        retrieve_s=0.1,
        first_token_s=None,
        total_s=0.2,
    )
    tracing.tell_answer(outcome)
    attributes = dict(by_name(spans)["chat small"].attributes or {})
    assert attributes["gen_ai.response.finish_reasons"] == (told,)


def test_a_search_is_a_trace(traced: TestClient, spans: InMemorySpanExporter) -> None:
    traced.post("/v1/search", json={"query": "towels"})
    assert by_name(spans).keys() == {"POST /v1/search", "retrieval"}


def test_no_word_and_no_key_is_traced(
    traced: TestClient, spans: InMemorySpanExporter, pool: House
) -> None:
    traced.post("/v1/answer", json=QUESTION)
    traced.post("/v1/search", json={"query": "towels"})
    traced.get("/v1/collections/nowhere")
    traced.get("/sign-in?token=s3cr3t")
    traced.get("/health/live")
    told = json.dumps([json.loads(span.to_json()) for span in spans.get_finished_spans()])
    for word in ("swimming", "towels", "s3cr3t", pool.key, "/health"):
        assert word not in told


def test_without_the_setting_nothing_is_traced(pool: House) -> None:
    tracing = pool.services.tracing
    assert tracing.of_requests["tracing"] is False
    assert pool.client.post("/v1/answer", json=QUESTION).status_code == 200
    tracing.close()


class _Collector(BaseHTTPRequestHandler):
    """Takes what is sent."""

    received: ClassVar[list[tuple[str, bytes]]] = []

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.received.append((self.path, self.rfile.read(length)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Says nothing."""


def test_spans_are_sent_to_where_the_setting_says() -> None:
    with HTTPServer(("127.0.0.1", 0), _Collector) as server:
        serving = threading.Thread(target=server.handle_request)
        serving.start()
        address = f"http://127.0.0.1:{server.server_port}/v1/traces"
        tracing = build_tracing(TracingSettings(endpoint=address))
        assert tracing.of_requests["tracing"] is True
        tracing.tell_search(0.5, num_passages=3)
        tracing.close()
        serving.join(30)
    ((path, body),) = _Collector.received
    assert path == "/v1/traces"
    assert b"retrieval" in body
    assert b"cimiento" in body
