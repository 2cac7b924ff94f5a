"""A worker over real sockets: text as it is written, clients that leave, hang or never read."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from starlette.types import Message

from generation.async_reader import AsyncReader
from generation.completion import MAX_CONTINUATIONS, CompletionRequest
from generation.worker.metrics import Metrics, Stopwatch
from generation.worker.replies import TextReply
from generation.worker.sending import StreamResponse, Work
from tests.fakes_engine import FakeEngine
from tests.unit.generation.worker_house import CHAT, House, connect, eventually, raw_post

CHAT_PATH = "/v1/chat/completions"
STREAM = {**CHAT, "stream": True}


@pytest.fixture
def slow() -> House:
    """Takes its time, two hundred tokens a second."""
    return House(FakeEngine("x" * 5000, pause_s=0.005), send_timeout_s=0.3).started()


@pytest.fixture
def url(slow: House) -> Iterator[str]:
    with slow.running() as url:
        yield url


def test_text_arrives_as_it_is_written(slow: House, url: str) -> None:
    with httpx2.stream("POST", url + CHAT_PATH, json=STREAM, timeout=60) as response:
        assert any('"content":"x' in line for line in response.iter_lines())
        assert slow.engine.num_running == 1


@pytest.mark.parametrize("body", [CHAT, STREAM, {**STREAM, "n": 3}])
def test_a_client_that_leaves_ends_the_work(slow: House, url: str, body: object) -> None:
    with connect(url) as connection:
        connection.sendall(raw_post(CHAT_PATH, body))
        assert eventually(lambda: slow.engine.num_computed > 3)
    assert eventually(lambda: slow.engine.num_running == 0)
    assert eventually(lambda: slow.worker.num_under_way == 0)
    assert slow.engine.num_computed < 5000


@pytest.mark.parametrize("body", [CHAT, STREAM])
def test_a_client_that_leaves_while_the_prompt_is_read_ends_the_work(
    slow: House, url: str, body: object
) -> None:
    slow.engine.hangs = True
    with connect(url) as connection:
        connection.sendall(raw_post(CHAT_PATH, body))
        assert eventually(lambda: slow.engine.num_running == 1)
    assert eventually(lambda: slow.engine.num_running == 0)
    assert slow.engine.num_computed == 0


def test_a_client_that_never_reads_is_cut_off() -> None:
    house = House(FakeEngine("x" * 30_000, max_context=10**6), send_timeout_s=0.3).started()
    with house.running() as url, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        address = httpx2.URL(url)
        client.connect((address.host, address.port or 80))
        client.sendall(raw_post(CHAT_PATH, STREAM))
        assert eventually(lambda: len(house.engine.requests) == 1)
        assert eventually(lambda: house.engine.num_running == 0)
        assert eventually(lambda: house.worker.num_under_way == 0)
        # what it has not taken is not kept for it either
        assert eventually(lambda: house.num_connections == 0)


def test_a_reply_that_cannot_be_sent_is_given_up(slow: House) -> None:
    body = json.dumps(STREAM).encode()

    async def receive() -> Message:
        if not slow.engine.requests:
            return {"type": "http.request", "body": body}
        return await asyncio.Future()

    async def send(message: Message) -> None:
        if message.get("body"):
            await asyncio.Future()

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": CHAT_PATH,
        "headers": headers,
    }
    scope |= {"query_string": b"", "root_path": "", "http_version": "1.1", "raw_path": b""}
    asyncio.run(slow.app(scope, receive, send))
    assert eventually(lambda: slow.engine.num_running == 0)
    assert slow.worker.num_under_way == 0


def test_a_body_that_stops_half_way_does_no_work(slow: House, url: str) -> None:
    with connect(url) as connection:
        connection.sendall(raw_post(CHAT_PATH, STREAM)[:-10])
        time.sleep(0.05)
    assert eventually(lambda: slow.num_connections == 0)
    assert not slow.engine.requests


def test_many_clients_are_served_at_once(slow: House, url: str) -> None:
    texts: list[str] = []

    def ask(max_tokens: int) -> None:
        reply = httpx2.post(url + CHAT_PATH, json={**CHAT, "max_tokens": max_tokens}, timeout=60)
        texts.append(reply.json()["choices"][0]["message"]["content"])

    clients = [threading.Thread(target=ask, args=(20 + index,)) for index in range(16)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(60)
    assert sorted(map(len, texts)) == list(range(20, 36))


def test_what_runs_is_counted_for_prometheus(slow: House, url: str) -> None:
    def page() -> str:
        return httpx2.get(url + "/metrics", timeout=60).text

    with httpx2.stream("POST", url + CHAT_PATH, json=STREAM, timeout=60) as response:
        lines = response.iter_lines()
        next(lines)
        assert "cimiento_generation_num_requests_running 1.0" in page()
        assert "cimiento_generation_kv_cache_usage_perc 0.25" in page()
    assert eventually(lambda: "cimiento_generation_num_requests_running 0.0" in page())
    httpx2.post(url + CHAT_PATH, json={**CHAT, "max_tokens": 4}, timeout=60)
    httpx2.post(url + CHAT_PATH, json={}, timeout=60)
    counted = page()
    for line in (
        'cimiento_generation_request_success_total{finished_reason="length"} 1.0',
        'cimiento_generation_request_success_total{finished_reason="cancelled"} 1.0',
        'cimiento_generation_requests_refused_total{code="invalid_value"} 1.0',
        "cimiento_generation_e2e_request_latency_seconds_count 2.0",
    ):
        assert line in counted


def test_a_reply_that_cannot_be_finished_says_so_as_the_worker_closes(slow: House) -> None:
    lines: list[str] = []

    def ask(url: str) -> None:
        with httpx2.stream("POST", url + CHAT_PATH, json=STREAM, timeout=60) as response:
            lines.extend(line for line in response.iter_lines() if line)

    with slow.running() as url:
        client = threading.Thread(target=ask, args=(url,))
        client.start()
        assert eventually(lambda: slow.engine.num_computed > 3)
        slow.worker.close()
        client.join(60)
    assert lines[-1] == "data: [DONE]"
    assert json.loads(lines[-2].removeprefix("data: "))["error"]["code"] == "shutting_down"


def test_a_silent_stream_is_kept_alive(slow: House) -> None:
    slow.engine.hangs = True
    bodies: list[bytes] = []

    async def never() -> Message:
        return await asyncio.Future()

    async def send(message: Message) -> None:
        bodies.append(message.get("body", b""))
        if bodies.count(b": still working\n\n") == 3:
            slow.engine.close()

    async def serve() -> None:
        completer = slow.served.completer
        reader = AsyncReader(completer, [completer.prepare(CompletionRequest(prompt="Hi"))])
        reply = TextReply("fake-model", num_samples=1, with_logprobs=False)
        work = Work(reader, reply, Stopwatch(Metrics(lambda: None)), heartbeat_s=0.02)
        await StreamResponse(work, include_usage=False)({"type": "http"}, never, send)

    asyncio.run(serve())
    assert bodies.count(b": still working\n\n") == 3
    assert bodies[-1] == b"data: [DONE]\n\n"


def test_too_many_continuations_are_refused(slow: House) -> None:
    body = {**CHAT, "continuations": ["a"] * (MAX_CONTINUATIONS + 1)}
    assert slow.post("/v1/score", body).status_code == 400
