"""`cimiento worker generate` as a process with the real model, asked by the official client."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx2
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from core.settings import GenerationSettings
from generation.local import LocalGenerator
from generation.remote import RemoteGenerator
from generation.types import Message, Sampling
from tests.integration.generation.conftest import ModelFiles
from tests.integration.generation.prompts import PASSAGE, QUESTIONS
from tests.ports import free_port

pytestmark = pytest.mark.weights

KEY = "sesame"
MODEL = "smollm2-135m-instruct"
READY_WITHIN_S = 120.0
LONG: list[ChatCompletionMessageParam] = [
    {"role": "user", "content": "Write a very long story about a lighthouse."}
]
ASKED: list[ChatCompletionMessageParam] = [{"role": "user", "content": QUESTIONS[0]}]


class Process:
    """A worker that listens, and its clients."""

    def __init__(self, port: int, log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "worker", "generate", "--port", str(port)],
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def client(self) -> openai.OpenAI:
        """The official client, as any service would use it."""
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=KEY, max_retries=0, timeout=120)

    def get(self, path: str) -> httpx2.Response:
        """GET with the key."""
        return httpx2.get(self.url + path, headers={"Authorization": f"Bearer {KEY}"}, timeout=30)

    def metric(self, name: str) -> float:
        """A figure of the worker's own."""
        lines = self.get("/metrics").text.splitlines()
        found = [line for line in lines if line.startswith(f"cimiento_generation_{name} ")]
        return float(found[0].split()[-1])

    def wait_until_ready(self) -> None:
        """Wait for the model; a process that ended fails with its log."""

        def is_ready() -> bool:
            assert self.process.poll() is None, self._log.read_text()
            try:
                return self.get("/ready").status_code == 200
            except httpx2.TransportError:
                return False

        assert eventually(is_ready, within_s=READY_WITHIN_S), self._log.read_text()


def eventually(holds: Callable[[], bool], *, within_s: float = 60.0) -> bool:
    """Whether something comes to hold."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@contextmanager
def started(log: Path) -> Iterator[Process]:
    """A worker on a free port, killed at the end if it still runs."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CIMIENTO_WORKER__API_KEY", KEY)
        environment.setenv("CIMIENTO_GENERATION__WEIGHTS", "float32")
        environment.setenv("CIMIENTO_GENERATION__NUM_THREADS", "1")
        environment.setenv("CIMIENTO_GENERATION__MAX_CONTEXT", "2048")
        worker = Process(free_port(), log)
    try:
        worker.wait_until_ready()
        yield worker
    finally:
        if worker.process.poll() is None:
            worker.process.kill()
        worker.process.wait(30)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory, model_files: ModelFiles) -> Iterator[Process]:
    with started(tmp_path_factory.mktemp("worker") / "log") as worker:
        yield worker


@pytest.fixture
def client(worker: Process) -> Iterator[openai.OpenAI]:
    with worker.client() as client:
        yield client


def test_the_official_client_chats(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [MODEL]
    reply = client.chat.completions.create(
        model=MODEL, messages=ASKED, temperature=0, max_completion_tokens=24
    )
    assert "Paris" in (reply.choices[0].message.content or "")
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage is not None
    assert reply.usage.completion_tokens > 3


def test_streamed_whole_and_plain_are_the_same_text(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model=MODEL, messages=LONG, temperature=0, max_tokens=40)
    with client.chat.completions.create(
        model=MODEL,
        messages=LONG,
        temperature=0,
        max_tokens=40,
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1])
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 40
    assert chunks[-2].choices[0].finish_reason == "length"


def test_a_schema_is_obeyed(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 20},
            "colour": {"enum": ["red", "green"]},
            "age": {"type": "integer", "minimum": 0, "maximum": 130},
        },
        "required": ["name", "colour", "age"],
        "additionalProperties": False,
    }
    reply = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Describe a person."}],
        temperature=1,
        seed=3,
        max_tokens=100,
        response_format={"type": "json_schema", "json_schema": {"name": "p", "schema": schema}},
    )
    person = json.loads(reply.choices[0].message.content or "")
    assert set(person) == {"name", "colour", "age"}
    assert person["colour"] in ("red", "green")


def test_samples_differ_and_seeds_repeat_them(client: openai.OpenAI) -> None:
    def ask() -> list[str | None]:
        reply = client.chat.completions.create(
            model=MODEL, messages=LONG, temperature=1, seed=7, n=2, max_tokens=16
        )
        return [choice.message.content for choice in reply.choices]

    first, again = ask(), ask()
    assert first == again
    assert first[0] != first[1]


def test_logprobs_are_of_the_chosen_tokens(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model=MODEL,
        messages=ASKED,
        temperature=0,
        max_tokens=8,
        logprobs=True,
        top_logprobs=3,
    )
    logprobs = reply.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    for token in logprobs.content:
        assert token.logprob <= 0
        assert token.top_logprobs[0].token == token.token  # greedy takes the likeliest
        assert [other.logprob for other in token.top_logprobs] == sorted(
            (other.logprob for other in token.top_logprobs), reverse=True
        )
    shown = b"".join(bytes(token.bytes or []) for token in logprobs.content)
    assert shown.decode().startswith(reply.choices[0].message.content or "")


def test_a_shared_prefix_is_computed_once_a_tenant(client: openai.OpenAI) -> None:
    def cached(tenant: str, question: str) -> int:
        reply = client.chat.completions.create(
            model=MODEL,
            messages=[
                {"role": "system", "content": PASSAGE},
                {"role": "user", "content": question},
            ],
            max_tokens=1,
            extra_headers={"X-Cimiento-Tenant": tenant},
        )
        assert reply.usage is not None
        assert reply.usage.prompt_tokens_details is not None
        return reply.usage.prompt_tokens_details.cached_tokens or 0

    assert cached("north", "When was it finished?") == 0
    assert cached("north", "Who visits it?") > 200
    assert cached("south", "Who visits it?") == 0


def test_a_prompt_over_the_window_is_refused_with_both_numbers(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(model=MODEL, prompt="word " * 3000)
    assert caught.value.code == "context_length_exceeded"
    assert "2047" in caught.value.message


def test_a_deadline_ends_a_long_text(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(
            model=MODEL,
            messages=LONG,
            max_tokens=1500,
            extra_body={"deadlines": {"total_s": 0.3}, "ignore_eos": True},
        )
    assert caught.value.status_code == 504


def test_strangers_and_misspelt_options_are_refused(worker: Process, client: openai.OpenAI) -> None:
    with (
        openai.OpenAI(base_url=f"{worker.url}/v1", api_key="x", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError),
    ):
        stranger.models.list()
    with pytest.raises(openai.BadRequestError, match="temprature"):
        client.chat.completions.create(model=MODEL, messages=ASKED, extra_body={"temprature": 0})


@pytest.mark.parametrize("prompt", ["Write a long story.", PASSAGE * 6])
def test_a_client_that_leaves_frees_the_pages(
    worker: Process, client: openai.OpenAI, prompt: str
) -> None:
    assert eventually(lambda: worker.metric("kv_cache_usage_perc") == 0)
    with client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": prompt}],
        max_tokens=1500,
        stream=True,
        extra_body={"ignore_eos": True},
    ):
        assert eventually(lambda: worker.metric("kv_cache_usage_perc") > 0)
    assert eventually(lambda: worker.metric("kv_cache_usage_perc") == 0)
    assert eventually(lambda: worker.metric("num_requests_running") == 0)


def test_here_and_behind_http_the_same_is_written(worker: Process, model_files: ModelFiles) -> None:
    settings = GenerationSettings(weights="float32", num_threads=1, max_context=2048)
    messages = [Message("system", PASSAGE), Message("user", "¿Cuándo se terminó el faro?")]
    choices = ["El faro se terminó en 1865.", "El faro se terminó en 1906.", "No se sabe."]
    with (
        closing(LocalGenerator(model_files.answer_model, settings, model=MODEL)) as here,
        closing(RemoteGenerator(worker.url, MODEL, api_key=KEY)) as there,
    ):
        texts, chosen = [], []
        for each in (here, there):
            sampling = Sampling(max_tokens=32)
            texts.append("".join(each.stream(messages, sampling, cancelled=lambda: False)))
            chosen.append(
                "".join(each.stream(messages, sampling, cancelled=lambda: False, choices=choices))
            )
        assert texts[0] == texts[1] != ""
        assert chosen[0] == chosen[1]
        assert chosen[0] in choices
        assert there.count_tokens(messages) == here.count_tokens(messages)
        assert there.score(messages, choices) == pytest.approx(
            here.score(messages, choices), abs=1e-3
        )
        assert there.model_sha256 == here.model_sha256


def test_sigterm_lets_running_requests_end(tmp_path: Path, model_files: ModelFiles) -> None:
    with started(tmp_path / "log") as worker, worker.client() as client:
        parts: list[str] = []
        ends: list[str | None] = []

        def ask() -> None:
            with client.chat.completions.create(
                model=MODEL,
                messages=LONG,
                max_tokens=120,
                stream=True,
                extra_body={"ignore_eos": True},
            ) as stream:
                for chunk in stream:
                    parts.append(chunk.choices[0].delta.content or "")
                    ends.append(chunk.choices[0].finish_reason)

        asking = threading.Thread(target=ask)
        asking.start()
        assert eventually(lambda: len(parts) > 3)
        worker.process.send_signal(signal.SIGTERM)
        assert eventually(lambda: worker.get("/ready").status_code == 503)
        with pytest.raises(openai.InternalServerError, match="shutting down"):
            client.chat.completions.create(model=MODEL, messages=ASKED)
        asking.join(60)
        assert ends[-1] == "length"
        assert worker.process.wait(30) == 0


def test_a_model_that_cannot_be_loaded_ends_the_process(tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF but nothing of one")
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "app.cli", "worker", "generate"),
            *("--model", str(path), "--port", str(free_port())),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 1
    assert "could not be loaded" in ended.stderr
    assert "broken.gguf" in ended.stderr
