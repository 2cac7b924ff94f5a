"""A generator behind HTTP: our worker over a fake engine, foreign servers, and none at all."""

import json
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import httpx2
import pytest

from app.errors import status_of
from core.errors import CimientoError
from core.settings import GenerationSettings
from generation.engine.sequence import FinishReason
from generation.errors import (
    GenerationFailedError,
    GeneratorBusyError,
    GeneratorNotSupportedError,
    GeneratorUnavailableError,
    QuestionTooLongError,
)
from generation.remote import RemoteGenerator, Timeouts
from generation.types import Draft, Message, Sampling
from tests.fakes_engine import FakeEngine
from tests.unit.generation.worker_house import House, eventually, reason_of

HI = [Message("user", "Hi")]


def never() -> bool:
    """A caller that stays."""
    return False


@pytest.fixture
def house() -> House:
    return House(FakeEngine("¡Hola, niño!")).started()


@contextmanager
def remote(house: House, model: str = "fake-model", **options: Any) -> Iterator[RemoteGenerator]:
    """A generator that asks this worker over a socket."""
    with house.running() as url, closing(RemoteGenerator(url, model, **options)) as generator:
        yield generator


@pytest.fixture
def generator(house: House) -> Iterator[RemoteGenerator]:
    with remote(house) as generator:
        yield generator


def text_of(generator: RemoteGenerator, **options: Any) -> str:
    """A whole text."""
    return "".join(generator.stream(HI, Sampling(), cancelled=never, **options))


def test_a_text_comes_as_the_worker_writes_it(house: House, generator: RemoteGenerator) -> None:
    house.engine.pause_s = 0.02
    pieces = list(generator.stream(HI, Sampling(), cancelled=never))
    assert "".join(pieces) == "¡Hola, niño!"
    assert len(pieces) > 1


@pytest.mark.parametrize(("max_tokens", "reason"), [(3, "length"), (100, "stop")])
def test_a_text_says_what_ended_it(
    generator: RemoteGenerator, max_tokens: int, reason: str
) -> None:
    stream = generator.stream(HI, Sampling(max_tokens=max_tokens), cancelled=never)
    assert reason_of(stream) == reason


def test_the_place_in_the_queue_is_that_of_the_worker(
    house: House, generator: RemoteGenerator
) -> None:
    house.engine.hangs, house.engine.num_before = True, 1
    told: list[int | None] = []

    def on_wait(num_before: int | None) -> None:
        told.append(num_before)
        house.engine.move_up(num_before)

    assert text_of(generator, on_wait=on_wait) == "¡Hola, niño!"
    assert told == [1, 0, None]


def test_after_a_deletion_the_worker_sees_another_tenant(
    house: House, generator: RemoteGenerator
) -> None:
    tenants = []
    for _ in range(2):
        text_of(generator)
        tenants.append(house.engine.requests[-1].tenant)
        generator.forget_prefixes()
    text_of(generator)
    assert len({*tenants, house.engine.requests[-1].tenant}) == 3


def test_the_model_is_that_of_the_worker(generator: RemoteGenerator) -> None:
    assert generator.model == "fake-model"
    assert generator.model_sha256 == "f" * 64
    assert generator.max_context == 4096


def test_tokens_are_counted_by_the_worker(house: House, generator: RemoteGenerator) -> None:
    assert generator.count_tokens(HI) == len(house.engine.tokenizer.render_chat(HI))


def test_sampling_reaches_the_engine(house: House, generator: RemoteGenerator) -> None:
    sampling = Sampling(temperature=0.5, top_p=0.9, top_k=7, seed=11, max_tokens=3)
    assert "".join(generator.stream(HI, sampling, cancelled=never)) == "¡H"
    params = house.engine.requests[0].params
    assert (params.temperature, params.top_p, params.top_k) == (0.5, 0.9, 7)
    assert (params.seed, params.max_tokens) == (11, 3)


def test_the_text_is_one_of_the_choices(house: House, generator: RemoteGenerator) -> None:
    assert text_of(generator, choices=["sí señor", "no señor"]) in ("sí señor", "no señor")
    assert len(house.engine.requests) == 1


def test_the_text_is_words_of_the_texts(house: House, generator: RemoteGenerator) -> None:
    assert text_of(generator, spans_of=["sí señor"]) in ("sí", "señor", "sí señor")
    assert len(house.engine.requests) == 1


def test_every_sample_is_words_of_the_texts(house: House, generator: RemoteGenerator) -> None:
    drafts = generator.sample(HI, Sampling(n=3), cancelled=never, spans_of=["sí señor"])
    assert len(drafts) == 3
    assert {draft.text for draft in drafts} <= {"sí", "señor", "sí señor"}
    assert len(house.engine.requests) == 1


def test_continuations_are_scored(generator: RemoteGenerator) -> None:
    assert generator.score(HI, ["ab", "abcd"]) == [-2.0, -4.0]


def test_a_question_over_the_window_is_refused_with_both_numbers() -> None:
    house = House(FakeEngine(max_context=16)).started()
    with remote(house) as generator, pytest.raises(QuestionTooLongError, match="at most 15"):
        text_of(generator)


@pytest.mark.parametrize("hangs", [True, False])
def test_a_caller_that_leaves_ends_the_work_of_the_worker(hangs: bool) -> None:  # noqa: FBT001
    house = House(FakeEngine("x" * 4000, pause_s=0.005)).started()
    house.engine.hangs = hangs
    pieces: list[str] = []
    with remote(house) as generator:
        has_begun = (lambda: house.engine.requests) if hangs else (lambda: pieces)
        stream = generator.stream(HI, Sampling(), cancelled=lambda: bool(has_begun()))
        pieces.extend(stream)
        assert eventually(lambda: house.engine.num_running == 0)
        assert bool(pieces) is not hangs
        assert house.engine.num_computed < 4000


def test_a_reader_that_stops_early_hangs_up() -> None:
    house = House(FakeEngine("x" * 4000, pause_s=0.005)).started()
    with remote(house) as generator:
        stream = generator.stream(HI, Sampling(), cancelled=never)
        next(stream)
        stream.close()
        assert eventually(lambda: house.engine.num_running == 0)


def test_an_engine_that_fails_half_way_is_told(house: House, generator: RemoteGenerator) -> None:
    house.engine.error = "out of memory"
    with pytest.raises(GenerationFailedError, match="out of memory"):
        text_of(generator)


def test_a_worker_that_breaks_off_is_told(house: House, generator: RemoteGenerator) -> None:
    house.engine.ends_as = FinishReason.CANCELLED
    stream = generator.stream(HI, Sampling(), cancelled=never)
    next(stream)
    with pytest.raises(GeneratorUnavailableError):
        list(stream)


def test_a_full_worker_says_for_how_long() -> None:
    house = House(FakeEngine(max_waiting=0)).started()
    with remote(house) as generator, pytest.raises(GeneratorBusyError) as caught:
        text_of(generator)
    assert caught.value.retry_after_s is not None


def test_where_nobody_listens_the_remedy_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        timeouts = Timeouts(0.2, 0.2)
        generator = RemoteGenerator(url, "fake-model", timeouts=timeouts)
        for ask in (lambda: text_of(generator), lambda: generator.count_tokens(HI)):
            with pytest.raises(GeneratorUnavailableError, match="cimiento worker generate"):
                ask()


def test_a_key_is_sent_and_its_lack_is_told() -> None:
    house = House(api_key="sesame").started()
    with remote(house, api_key="sesame") as generator:
        assert text_of(generator) == "Hello, world!"
    with (
        remote(house, api_key="mustard") as generator,
        pytest.raises(GeneratorUnavailableError, match="CIMIENTO_GENERATION__API_KEY"),
    ):
        text_of(generator)


def test_a_password_in_the_address_goes_to_the_server_and_nowhere_else() -> None:
    asked: list[httpx2.Request] = []

    def refuse(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(500, json={"detail": "out of order"})

    generator = RemoteGenerator(
        "http://me:hunter2@there:81/v1/", "llama", transport=httpx2.MockTransport(refuse)
    )
    assert generator.url == "http://there:81"
    for ask in (lambda: text_of(generator), lambda: generator.score(HI, ["a"])):
        with pytest.raises(CimientoError, match="there:81") as caught:
            ask()
        assert "hunter2" not in str(caught.value)
    told = {request.headers["Authorization"] for request in asked}
    assert told == {f"Basic {b64encode(b'me:hunter2').decode()}"}


def test_another_model_is_told(house: House) -> None:
    with (
        remote(house, "gpt-9") as generator,
        pytest.raises(GeneratorUnavailableError, match="CIMIENTO_MODELS__ANSWER"),
    ):
        _ = generator.max_context


class Foreign:
    """Another server of the same protocol: no extensions, one of them spoken through `chunks`."""

    def __init__(self, *chunks: object, status: int = 200) -> None:
        self.chunks = chunks
        self.status = status
        self.bodies: list[Any] = []

    def generator(self) -> RemoteGenerator:
        """A client of it."""
        transport = httpx2.MockTransport(self._answer)
        return RemoteGenerator(
            "http://foreign/v1/", "llama", assumed_context=2048, transport=transport
        )

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/v1/models":
            return httpx2.Response(200, json={"data": [{"id": "llama", "owned_by": "them"}]})
        if request.url.path != "/v1/chat/completions":
            return httpx2.Response(404, json={"detail": "Not Found"})
        self.bodies.append(json.loads(request.content))
        if self.status != 200:
            return httpx2.Response(self.status, json=self.chunks[0])
        lines = [chunk if isinstance(chunk, str) else json.dumps(chunk) for chunk in self.chunks]
        return httpx2.Response(200, text="".join(f"data: {line}\n\n" for line in lines))


def delta(text: str | None) -> dict[str, Any]:
    """A chunk of a foreign stream."""
    return {"choices": [{"index": 0, "delta": {"content": text}}]}


def test_a_foreign_server_streams_too() -> None:
    foreign = Foreign(delta(None), delta("Hal"), {"choices": []}, delta("lo"), "[DONE]", delta("x"))
    assert text_of(foreign.generator()) == "Hallo"
    assert "top_k" not in foreign.bodies[0]
    assert "response_format" not in foreign.bodies[0]


def test_of_a_foreign_server_tokens_are_estimated_and_the_window_assumed() -> None:
    generator = Foreign().generator()
    assert generator.max_context == 2048
    assert generator.model_sha256 == ""
    assert generator.count_tokens([Message("user", "x" * 300)]) == 108


def test_what_a_foreign_server_cannot_do_is_refused_with_a_remedy() -> None:
    generator = Foreign().generator()
    with pytest.raises(GeneratorNotSupportedError, match="CIMIENTO_GENERATION__URL"):
        text_of(generator, choices=["a", "b"])
    with pytest.raises(GeneratorNotSupportedError, match="words of given texts"):
        text_of(generator, spans_of=["a b"])
    with pytest.raises(GeneratorNotSupportedError, match="words of given texts"):
        generator.sample(HI, Sampling(n=2), cancelled=never, spans_of=["a b"])
    with pytest.raises(GeneratorNotSupportedError, match="cimiento worker generate"):
        generator.score(HI, ["a"])


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, {"error": {"message": "no such option", "code": None}}, GeneratorNotSupportedError),
        (
            400,
            {"error": {"message": "This model's maximum context length is 8", "code": 400}},
            QuestionTooLongError,
        ),
        (500, {"error": {"message": "boom"}}, GenerationFailedError),
        (504, {"error": "too slow"}, GenerationFailedError),
        (418, {}, GeneratorUnavailableError),
    ],
)
def test_errors_of_a_foreign_server_become_ours(
    status: int, error: object, kind: type[CimientoError]
) -> None:
    with pytest.raises(kind) as caught:
        text_of(Foreign(error, status=status).generator())
    assert status_of(caught.value) in (422, 500, 501, 503)


@pytest.mark.parametrize("chunks", [(delta("Hal"),), (delta("Hal"), "{broken")])
def test_a_stream_without_its_end_is_no_answer(chunks: tuple[object, ...]) -> None:
    with pytest.raises(GeneratorUnavailableError):
        text_of(Foreign(*chunks).generator())


def test_a_key_in_the_settings_is_used() -> None:
    settings = GenerationSettings.model_validate({"url": "http://a", "api_key": "sesame"})
    generator = RemoteGenerator.of(settings, "http://a", model="llama")
    assert generator._client.headers["authorization"] == "Bearer sesame"
    generator.close()


def test_a_remote_generator_brings_no_torch_in() -> None:
    code = "import sys, generation.pool; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_samples_come_from_one_request_with_their_likelihoods(
    house: House, generator: RemoteGenerator
) -> None:
    drafts = generator.sample(HI, Sampling(n=3, seed=4, max_tokens=64), cancelled=never)
    (request,) = house.engine.requests
    num_tokens = len("¡Hola, niño!".encode())
    assert (request.num_samples, request.params.seed) == (3, 4)
    assert drafts == [Draft("¡Hola, niño!", num_tokens, -0.5 * num_tokens)] * 3


def test_a_sample_that_a_limit_cut_says_so(generator: RemoteGenerator) -> None:
    drafts = generator.sample(HI, Sampling(n=2, max_tokens=3), cancelled=never)
    assert [(draft.text, draft.num_tokens, draft.is_cut) for draft in drafts] == [
        ("¡H", 3, True)
    ] * 2


def test_a_caller_that_leaves_ends_every_sample() -> None:
    house = House(FakeEngine("x" * 4000, pause_s=0.005)).started()
    with remote(house) as generator:
        deadline = time.monotonic() + 0.2
        drafts = generator.sample(
            HI, Sampling(n=4, max_tokens=4000), cancelled=lambda: time.monotonic() > deadline
        )
        assert drafts == []
        assert eventually(lambda: house.engine.num_running == 0)
        assert house.engine.num_computed < 4000


def test_a_failing_sample_is_told(house: House, generator: RemoteGenerator) -> None:
    house.engine.error = "out of memory"
    with pytest.raises(GenerationFailedError, match="out of memory"):
        generator.sample(HI, Sampling(n=2), cancelled=never)


def choice(index: int, text: str, *logprobs: float) -> dict[str, Any]:
    """A chunk of one sample of a foreign stream."""
    told = {"content": [{"token": "t", "logprob": value} for value in logprobs]}
    return {"choices": [{"index": index, "delta": {"content": text}, "logprobs": told}]}


def test_a_foreign_server_samples_too() -> None:
    foreign = Foreign(choice(1, "b", -1.0), choice(0, "a", -2.0), choice(1, "c", -3.0), "[DONE]")
    drafts = foreign.generator().sample(HI, Sampling(n=2), cancelled=never)
    assert drafts == [Draft("a", 1, -2.0), Draft("bc", 2, -4.0)]
    assert (foreign.bodies[0]["n"], foreign.bodies[0]["logprobs"]) == (2, True)


def test_a_foreign_server_that_tells_no_likelihoods_still_samples() -> None:
    foreign = Foreign(delta("a"), {"choices": [{"index": 1, "delta": {"content": "b"}}]}, "[DONE]")
    drafts = foreign.generator().sample(HI, Sampling(n=2), cancelled=never)
    assert drafts == [Draft("a", 1, None), Draft("b", 1, None)]


def test_a_foreign_server_that_writes_one_text_of_several_is_told() -> None:
    with pytest.raises(GeneratorNotSupportedError, match="1 of 3"):
        Foreign(delta("a"), "[DONE]").generator().sample(HI, Sampling(n=3), cancelled=never)
