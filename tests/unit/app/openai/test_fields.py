"""What is passed over in a request, what is refused by name, and what is a typing error."""

from typing import Any

import pytest

from app.errors import InvalidRequestError
from app.openai.fields import IGNORED, UNSUPPORTED, ChatRequest, ResponseRequest

CHAT: dict[str, Any] = {"model": "cimiento", "messages": [{"role": "user", "content": "When?"}]}


@pytest.mark.parametrize("name", sorted(IGNORED))
def test_what_changes_no_text_is_passed_over(name: str) -> None:
    assert ChatRequest.model_validate({**CHAT, name: {"any": ["thing"]}})


@pytest.mark.parametrize("name", sorted(UNSUPPORTED))
def test_what_asks_for_nothing_is_passed_over(name: str) -> None:
    nothings: tuple[Any, ...] = (None, [], {})
    for nothing in nothings:
        assert ChatRequest.model_validate({**CHAT, name: nothing})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 2),
        ("tools", [{"type": "function"}]),
        ("stop", "\n"),
        ("response_format", {"type": "json_object"}),
        ("text", {"format": {"type": "json_schema"}}),
        ("modalities", ["text", "audio"]),
        ("presence_penalty", 0.5),
        ("logprobs", True),
    ],
)
def test_what_is_not_done_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        ChatRequest.model_validate({**CHAT, name: value})
    (fault,) = refused.value.faults
    assert fault.field == name


def test_defaults_of_clients_are_passed_over() -> None:
    usual = {"n": 1, "tool_choice": "auto", "response_format": {"type": "text"}, "logprobs": False}
    assert ChatRequest.model_validate({**CHAT, **usual, "frequency_penalty": 0})


def test_a_misspelt_option_is_noticed() -> None:
    with pytest.raises(ValueError, match="temprature"):
        ChatRequest.model_validate({**CHAT, "temprature": 0.5})


def test_more_tokens_than_an_answer_has_are_as_many_as_it_has() -> None:
    body = ResponseRequest.model_validate(
        {"model": "cimiento", "input": "When?", "temperature": 0, "max_output_tokens": 100_000}
    )
    assert body.sampling(body.max_output_tokens) == {"temperature": 0, "max_tokens": 4096}
