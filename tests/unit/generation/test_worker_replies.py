"""What a worker replies, in OpenAI's shapes: whole, streamed, with log-probabilities."""

import math
import re
from typing import Any

import pytest

from generation.engine.sequence import FinishReason, Priority
from tests.fakes_engine import FakeEngine
from tests.unit.generation.worker_house import CHAT, House, events_of


@pytest.fixture
def house() -> House:
    return House(FakeEngine("¡Hola, niño!")).started()


def ask(house: House, **options: Any) -> dict[str, Any]:
    """A whole chat completion."""
    response = house.post("/v1/chat/completions", {**CHAT, **options})
    assert response.status_code == 200, response.text
    reply: dict[str, Any] = response.json()
    return reply


def test_a_chat_completion_has_the_shape_that_clients_expect(house: House) -> None:
    reply = ask(house, model="fake-model")
    assert reply["object"] == "chat.completion"
    assert reply["model"] == "fake-model"
    assert reply["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "¡Hola, niño!", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    usage = reply["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["completion_tokens"] == len("¡Hola, niño!".encode())
    assert usage["prompt_tokens_details"] == {"cached_tokens": 3}


def test_a_streamed_chat_adds_up_and_ends_in_done(house: House) -> None:
    response = house.post("/v1/chat/completions", {**CHAT, "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    *chunks, done = events_of(response)
    assert done == "[DONE]"
    choices = [chunk["choices"][0] for chunk in chunks]
    assert choices[0]["delta"] == {"role": "assistant", "content": ""}
    assert "".join(choice["delta"].get("content", "") for choice in choices) == "¡Hola, niño!"
    assert [choice["finish_reason"] for choice in choices[-2:]] == [None, "stop"]
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert all("usage" not in chunk for chunk in chunks)


def test_a_stream_says_what_it_cost_where_it_is_asked_to(house: House) -> None:
    options = {"stream": True, "stream_options": {"include_usage": True}}
    *_, last, done = events_of(house.post("/v1/chat/completions", {**CHAT, **options}))
    assert done == "[DONE]"
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == len("¡Hola, niño!".encode())


def test_several_samples_come_as_several_choices(house: House) -> None:
    reply = ask(house, n=3)
    assert [choice["index"] for choice in reply["choices"]] == [0, 1, 2]
    assert {choice["message"]["content"] for choice in reply["choices"]} == {"¡Hola, niño!"}


def test_chat_logprobs_hold_every_token_with_its_bytes(house: House) -> None:
    content = ask(house, logprobs=True, top_logprobs=2)["choices"][0]["logprobs"]["content"]
    assert bytes(byte for token in content for byte in token["bytes"]) == "¡Hola, niño!".encode()
    assert all(token["logprob"] == -0.5 for token in content)
    assert [other["token"] for other in content[0]["top_logprobs"]] == ["<|end|>", "<|start|>"]


def test_streamed_logprobs_are_those_of_the_whole(house: House) -> None:
    whole = ask(house, logprobs=True)["choices"][0]["logprobs"]["content"]
    events = events_of(
        house.post("/v1/chat/completions", {**CHAT, "logprobs": True, "stream": True})
    )
    parts = [event["choices"][0]["logprobs"] for event in events[:-1]]
    assert [token for part in parts if part for token in part["content"]] == whole


def test_a_plain_completion_continues_its_prompt(house: House) -> None:
    reply = house.post("/v1/completions", {"prompt": "Once", "max_tokens": 100}).json()
    assert reply["object"] == "text_completion"
    assert reply["choices"][0]["text"] == "¡Hola, niño!"
    assert len(house.engine.requests[0].prompt_ids) == len("Once")


def test_a_plain_completion_writes_sixteen_tokens_unless_told_otherwise() -> None:
    house = House(FakeEngine("x" * 100)).started()
    reply = house.post("/v1/completions", {"prompt": "Once"}).json()
    assert reply["choices"][0]["text"] == "x" * 16
    assert reply["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("stream", [False, True])
def test_several_prompts_are_answered_in_order(house: House, stream: bool) -> None:  # noqa: FBT001
    body = {"prompt": ["a", "bb"], "n": 2, "max_tokens": 50, "stream": stream}
    response = house.post("/v1/completions", body)
    if stream:
        chunks = [event["choices"][0] for event in events_of(response)[:-1]]
        texts = ["".join(c["text"] for c in chunks if c["index"] == index) for index in range(4)]
    else:
        texts = [choice["text"] for choice in response.json()["choices"]]
    assert texts == ["¡Hola, niño!"] * 4
    assert [len(request.prompt_ids) for request in house.engine.requests] == [1, 2]


def test_a_prompt_may_be_tokens(house: House) -> None:
    house.post("/v1/completions", {"prompt": [7, 8, 9]})
    house.post("/v1/completions", {"prompt": [[7], [8, 9]]})
    prompts = [request.prompt_ids for request in house.engine.requests]
    assert prompts == [(7, 8, 9), (7,), (8, 9)]


def test_text_logprobs_say_where_each_token_begins(house: House) -> None:
    body = {"prompt": "Once", "max_tokens": 100, "logprobs": 1}
    whole = house.post("/v1/completions", body).json()["choices"][0]["logprobs"]
    assert whole["text_offset"][:4] == [0, 0, 1, 2]
    assert whole["token_logprobs"] == [-0.5] * len(whole["tokens"])
    assert whole["top_logprobs"][0] == {"<|end|>": -1.0}
    events = events_of(house.post("/v1/completions", {**body, "stream": True}))
    parts = [event["choices"][0]["logprobs"] for event in events[:-1]]
    assert [offset for part in parts if part for offset in part["text_offset"]] == whole[
        "text_offset"
    ]


def test_stop_strings_are_held_back_and_left_out(house: House) -> None:
    reply = ask(house, stop=[", n"])
    assert reply["choices"][0]["message"]["content"] == "¡Hola"
    assert reply["choices"][0]["finish_reason"] == "stop"


def test_a_response_format_binds_the_text(house: House) -> None:
    chosen = ask(house, response_format={"type": "choice", "choices": ["sí", "no"]})
    assert chosen["choices"][0]["message"]["content"] in ("sí", "no")


def test_an_expression_is_matched_as_a_whole(house: House) -> None:
    reply = ask(house, response_format={"type": "regex", "pattern": "[yz]{3}!"}, max_tokens=50)
    assert re.fullmatch("[yz]{3}!", reply["choices"][0]["message"]["content"])
    assert reply["choices"][0]["finish_reason"] == "stop"


def test_options_reach_the_engine(house: House) -> None:
    ask(
        house,
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        min_p=0.1,
        repetition_penalty=1.1,
        presence_penalty=0.2,
        frequency_penalty=0.3,
        logit_bias={"5": -1},
        seed=-1,
        max_completion_tokens=7,
        stop_token_ids=[9],
        priority="batch",
        deadlines={"total_s": 5},
    )
    request = house.engine.requests[0]
    params = request.params
    assert (params.temperature, params.top_p, params.top_k, params.min_p) == (0.5, 0.9, 40, 0.1)
    assert (params.repetition_penalty, params.presence_penalty) == (1.1, 0.2)
    assert (params.frequency_penalty, dict(params.logit_bias)) == (0.3, {5: -1})
    assert (params.seed, params.max_tokens) == (2**63 - 1, 7)
    assert params.stop_ids == {0, 9}
    assert request.priority is Priority.BATCH
    assert request.deadlines.total_s == 5


def test_without_a_seed_no_two_requests_share_one(house: House) -> None:
    ask(house)
    ask(house)
    first, second = (request.params.seed for request in house.engine.requests)
    assert first != second


def test_a_deadline_can_only_be_shortened() -> None:
    house = House(total_timeout_s=10, queue_timeout_s=3).started()
    house.post("/v1/chat/completions", {**CHAT, "deadlines": {"total_s": 99, "queue_s": 1}})
    deadlines = house.engine.requests[0].deadlines
    assert (deadlines.total_s, deadlines.queue_s) == (10, 1)


def test_tenants_and_users_keep_their_prefixes_apart(house: House) -> None:
    for fields, headers in [
        ({}, {}),
        ({"user": "ana"}, {}),
        ({"user": "ana"}, {"X-Cimiento-Tenant": "ana"}),
        ({"user": "eva"}, {"X-Cimiento-Tenant": "ana"}),
    ]:
        house.post("/v1/chat/completions", {**CHAT, **fields}, headers)
    tenants = [request.tenant for request in house.engine.requests]
    assert tenants[0] == ""
    assert len(set(tenants)) == 3
    assert tenants[2] == tenants[3]
    assert "ana" not in tenants


def test_parts_of_text_and_developers_are_understood(house: House) -> None:
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]},
        {"role": "assistant", "content": "Yes?", "refusal": None, "tool_calls": None},
        {"role": "user", "content": "Go on.", "name": "ana"},
    ]
    house.post("/v1/chat/completions", {"messages": messages})
    prompt = house.engine.tokenizer.decode(house.engine.requests[0].prompt_ids)
    assert prompt == "system\nBe brief.user\nHiassistant\nYes?user\nGo on.assistant\n"


def test_continuations_are_scored_after_a_prompt(house: House) -> None:
    body = {**CHAT, "continuations": ["ab", "abcd"]}
    reply = house.post("/v1/score", body).json()
    assert [entry["score"] for entry in reply["data"]] == [-2.0, -4.0]
    assert all(math.isfinite(entry["score"]) for entry in reply["data"])
    assert house.post("/v1/score", {"prompt": "Hi", "continuations": ["a"]}).status_code == 200


def test_text_is_tokenized_and_back(house: House) -> None:
    tokens = house.post("/tokenize", {"prompt": "año"}).json()
    assert tokens["count"] == 4 == len(tokens["tokens"])
    assert tokens["max_model_len"] == 4096
    assert house.post("/detokenize", {"tokens": tokens["tokens"]}).json() == {"prompt": "año"}
    assert house.post("/tokenize", CHAT).json()["count"] > 4


def test_the_model_describes_itself(house: House) -> None:
    (entry,) = house.get("/v1/models").json()["data"]
    assert entry == house.get("/v1/models/fake-model").json()
    assert (entry["id"], entry["owned_by"]) == ("fake-model", "cimiento")
    assert entry["model_sha256"] == "f" * 64
    assert entry["max_model_len"] == 4096


@pytest.mark.parametrize(
    ("reason", "status", "code"),
    [
        (FinishReason.DEADLINE, 504, "deadline_exceeded"),
        (FinishReason.ERROR, 500, "engine_failed"),
        (FinishReason.CANCELLED, 503, "shutting_down"),
    ],
)
def test_an_end_that_is_no_answer_is_an_error(
    house: House, reason: FinishReason, status: int, code: str
) -> None:
    house.engine.ends_as = reason
    response = house.post("/v1/chat/completions", CHAT)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    *_, error, done = events_of(house.post("/v1/chat/completions", {**CHAT, "stream": True}))
    assert error["error"]["code"] == code
    assert done == "[DONE]"
