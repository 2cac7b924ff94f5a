"""What a worker refuses: bad requests, strangers, too much at once; in OpenAI's error shape."""

import json
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from core.worker_settings import WorkerSettings
from generation.worker.schemas import IGNORED, UNSUPPORTED, ChatBody, TextBody
from generation.worker.state import Phase
from tests.fakes_engine import FakeEngine
from tests.unit.generation.worker_house import CHAT, House, eventually

CHAT_PATH = "/v1/chat/completions"
KEY = {"Authorization": "Bearer sesame"}


@pytest.fixture
def house() -> House:
    return House().started()


def refusal(house: House, path: str, fields: object, *, status: int = 400) -> dict[str, Any]:
    """The error that a body is answered with."""
    response = house.post(path, fields)
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert house.engine.num_running == 0
    return error


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({}, "messages"),
        ({**CHAT, "temperature": -1}, "temperature"),
        ({**CHAT, "temperature": "hot"}, "temperature"),
        ({**CHAT, "n": 10**6}, "n"),
        ({**CHAT, "n": 0}, "n"),
        ({**CHAT, "max_tokens": 0}, "max_tokens"),
        ({**CHAT, "stop": "x" * 10_000}, "stop"),
        ({**CHAT, "stop": [""]}, "stop"),
        ({**CHAT, "stop": ["a"] * 17}, "stop"),
        ({**CHAT, "top_logprobs": 21, "logprobs": True}, "top_logprobs"),
        ({**CHAT, "seed": 10**40}, "seed"),
        ({**CHAT, "response_format": {"type": "poem"}}, "response_format"),
        ({"messages": [{"role": "system", "content": "Hi"}]}, "messages"),
        ({"messages": [{"role": "tool", "content": "Hi"}]}, "messages.0.role"),
    ],
)
def test_a_field_at_fault_is_named(house: House, fields: object, param: str) -> None:
    error = refusal(house, CHAT_PATH, fields)
    assert error["param"] == param
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"messages": NaN}', b"[" * 5000, b'"\\ud800"', b"\xff\xfe"]
)
def test_what_is_no_json_object_is_refused(house: House, body: bytes) -> None:
    assert refusal(house, CHAT_PATH, body)["code"] == "invalid_json"


def test_numbers_that_are_none_are_refused(house: House) -> None:
    body = json.dumps({**CHAT, "temperature": float("inf")}).encode()
    refusal(house, CHAT_PATH, body)


def test_a_misspelt_option_is_refused_by_name(house: House) -> None:
    error = refusal(house, CHAT_PATH, {**CHAT, "temprature": 0})
    assert (error["code"], error["param"]) == ("unknown_parameter", "temprature")


@pytest.mark.parametrize("name", sorted(UNSUPPORTED))
def test_what_would_change_the_text_is_refused_unless_it_asks_for_nothing(
    house: House, name: str
) -> None:
    error = refusal(house, CHAT_PATH, {**CHAT, name: {"some": "thing"}})
    assert (error["code"], error["param"]) == ("unsupported_parameter", name)
    assert house.post(CHAT_PATH, {**CHAT, name: None}).status_code == 200


@pytest.mark.parametrize("name", sorted(IGNORED))
def test_what_changes_nothing_is_passed_over(house: House, name: str) -> None:
    assert house.post(CHAT_PATH, {**CHAT, name: "anything"}).status_code == 200


def test_neutral_values_of_unsupported_options_are_accepted(house: House) -> None:
    neutral = {"tools": [], "tool_choice": "none", "best_of": 1, "echo": False, "suffix": ""}
    assert house.post("/v1/completions", {"prompt": "Hi", **neutral}).status_code == 200


def test_pictures_are_refused(house: House) -> None:
    part = {"type": "image_url", "image_url": {"url": "data:"}}
    refusal(house, CHAT_PATH, {"messages": [{"role": "user", "content": [part]}]})


def test_too_many_prompts_are_refused(house: House) -> None:
    error = refusal(house, "/v1/completions", {"prompt": ["a"] * 9, "n": 2})
    assert error["param"] == "prompt"
    refusal(house, "/v1/completions", {"prompt": []})


def test_a_prompt_over_the_window_is_refused_with_both_numbers() -> None:
    house = House(FakeEngine(max_context=64)).started()
    error = refusal(house, "/v1/completions", {"prompt": "x" * 100})
    assert error["code"] == "context_length_exceeded"
    assert "100" in error["message"]
    assert "63" in error["message"]


def test_another_model_is_not_found(house: House) -> None:
    error = refusal(house, CHAT_PATH, {**CHAT, "model": "gpt-9"}, status=404)
    assert error["code"] == "model_not_found"
    assert "fake-model" in error["message"]
    assert house.get("/v1/models/gpt-9").status_code == 404


@pytest.mark.parametrize("schema", [{"type": "colour"}, {"type": "object", "minProperties": "x"}])
def test_an_invalid_schema_is_refused(house: House, schema: object) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    error = refusal(house, CHAT_PATH, {**CHAT, "response_format": form})
    assert error["code"] == "invalid_response_format"


def test_an_invalid_expression_is_refused(house: House) -> None:
    form = {"type": "regex", "pattern": "(["}
    error = refusal(house, CHAT_PATH, {**CHAT, "response_format": form})
    assert error["code"] == "invalid_response_format"


def test_a_token_outside_the_vocabulary_has_no_text(house: House) -> None:
    assert refusal(house, "/detokenize", {"tokens": [10**9]})["param"] == "tokens"


OPTIONS = sorted({*ChatBody.model_fields, *TextBody.model_fields, *UNSUPPORTED, *IGNORED})
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(options=st.dictionaries(st.sampled_from(OPTIONS), VALUES, max_size=4))
def test_whatever_is_sent_gets_an_answer_or_an_error(house: House, options: object) -> None:
    for path, first in ((CHAT_PATH, CHAT), ("/v1/completions", {"prompt": "Hi"})):
        response = house.post(path, {**first, **cast("dict[str, object]", options)})
        assert response.status_code in (200, 400, 404)
        assert response.status_code == 200 or response.json()["error"]["message"]
    assert eventually(lambda: house.engine.num_running == 0)


def test_a_full_queue_says_when_to_come_back() -> None:
    house = House(FakeEngine(max_waiting=0)).started()
    response = house.post(CHAT_PATH, CHAT)
    assert response.status_code == 429
    assert response.headers["retry-after"] == "1"
    assert response.json()["error"]["type"] == "rate_limit_error"


def test_while_the_model_loads_the_process_lives_but_is_not_ready() -> None:
    house = House()
    house.served.may_load.clear()
    house.worker.start()
    assert house.get("/health").json() == {"status": "loading"}
    for response in (house.get("/ready"), house.get("/v1/models"), house.post(CHAT_PATH, CHAT)):
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "model_loading"
        assert int(response.headers["retry-after"]) > 0
    assert house.get("/metrics").status_code == 200
    house.served.may_load.set()
    assert eventually(lambda: house.get("/ready").status_code == 200)
    assert house.post(CHAT_PATH, CHAT).status_code == 200


def test_a_model_that_cannot_be_loaded_is_told() -> None:
    house = House()
    house.served.fault = OSError("no such file")
    house.worker.start()
    assert eventually(lambda: house.worker.phase is Phase.FAILED)
    error = house.get("/ready").json()["error"]
    assert error["code"] == "model_failed"
    assert "no such file" in error["message"]


def test_a_draining_worker_takes_nothing_new(house: House) -> None:
    house.worker.drain()
    for response in (house.get("/ready"), house.post(CHAT_PATH, CHAT)):
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "shutting_down"
    assert house.get("/health").json() == {"status": "draining"}


@pytest.mark.parametrize(
    "path", [CHAT_PATH, "/v1/completions", "/v1/score", "/tokenize", "/detokenize"]
)
def test_with_a_key_set_strangers_may_ask_nothing(path: str) -> None:
    house = House(api_key="sesame").started()
    for headers in ({}, {"Authorization": "Bearer mustard"}, {"Authorization": "sesame"}):
        response = house.post(path, CHAT, headers)
        assert response.status_code == 401
        assert response.json()["error"]["code"] == "invalid_api_key"
        assert response.headers["www-authenticate"] == "Bearer"
    assert not house.engine.requests


def test_only_health_and_readiness_need_no_key() -> None:
    house = House(api_key="sesame").started()
    assert [house.get(path).status_code for path in ("/health", "/ready")] == [200, 200]
    for path in ("/metrics", "/v1/models", "/nothing"):
        assert house.get(path).status_code == 401
    assert house.get("/metrics", KEY).status_code == 200
    assert house.post(CHAT_PATH, CHAT, KEY).status_code == 200


def test_a_key_that_is_not_ascii_is_no_fault() -> None:
    assert House(api_key="sésamo").started().get("/metrics", KEY).status_code == 401


def test_a_loopback_worker_answers_only_to_its_own_names(house: House) -> None:
    assert house.get("/health", {"Host": "evil.example"}).status_code == 421
    assert House(host="0.0.0.0").started().get("/health", {"Host": "any"}).status_code == 200  # noqa: S104


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_only_json_is_taken(house: House, kind: str) -> None:
    response = house.post(CHAT_PATH, CHAT, {"Content-Type": kind})
    assert response.status_code == 415


def test_a_body_over_the_limit_is_not_read() -> None:
    house = House(max_body_bytes=2048).started()
    response = house.post(CHAT_PATH, {"messages": [{"role": "user", "content": "x" * 4096}]})
    assert response.status_code == 413
    assert response.headers["connection"] == "close"


def test_what_does_not_exist_is_said_so(house: House) -> None:
    assert house.get("/v1/nothing").json()["error"]["code"] == "not_found"
    assert house.get(CHAT_PATH).json()["error"]["code"] == "method_not_allowed"


def test_a_bug_is_told_without_its_details(house: House) -> None:
    def break_down(*_: object) -> None:
        raise KeyError("a secret")

    house.engine.submit = break_down  # type: ignore[assignment, method-assign]
    response = house.post(CHAT_PATH, CHAT)
    assert response.status_code == 500
    assert "secret" not in response.text
    assert response.headers["x-request-id"] in response.text


def test_no_secret_is_shown_by_the_settings() -> None:
    assert "sesame" not in repr(WorkerSettings(api_key=SecretStr("sesame")))
