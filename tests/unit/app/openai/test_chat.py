"""Chats by OpenAI's own client: citations in text and annotations, streams, usage, refusals."""

from typing import Any, cast

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessageParam

from app.openai.linking import unlink
from app.people.credentials import NewKey
from core.access import Scope
from core.errors import CimientoError
from tests.unit.app.house import House
from tests.unit.app.openai.conftest import client_of

QUESTION = "When does the swimming pool open in the morning?"
SURE: dict[str, Any] = {"cimiento": {"min_confidence": 0}}
UNSURE: dict[str, Any] = {"cimiento": {"min_confidence": 1}}


def ask(
    client: OpenAI, *said: str, model: str = "cimiento/handbook", **more: Any
) -> ChatCompletion:
    """Ask the last of what was said, in turns; whatever the confidence."""
    roles = [("user", "assistant")[index % 2] for index in range(len(said))]
    messages = [
        cast("ChatCompletionMessageParam", {"role": role, "content": text})
        for role, text in zip(roles, said, strict=True)
    ]
    completion = client.chat.completions.create(
        model=model, messages=messages, **{"extra_body": SURE, **more}
    )
    # what the client built is what its types say
    return ChatCompletion.model_validate(completion.to_dict(), strict=True)


def stream(client: OpenAI, **more: Any) -> list[ChatCompletionChunk]:
    """The chunks of the answer to the question."""
    chunks = client.chat.completions.create(
        model="cimiento/handbook",
        messages=[{"role": "user", "content": QUESTION}],
        stream=True,
        stream_options={"include_usage": True},
        **{"extra_body": SURE, **more},
    )
    return [ChatCompletionChunk.model_validate(each.to_dict(), strict=True) for each in chunks]


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    """What they add up to."""
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_an_answer_has_its_citations_in_text_and_annotations(
    client: OpenAI, library: House
) -> None:
    completion = ask(client, QUESTION)
    message = completion.choices[0].message
    assert message.content is not None
    assert message.annotations
    assert "nine in the morning" in message.content
    (document,) = library.client.get("/v1/documents?collection=handbook").json()["items"]
    for annotation in message.annotations:
        cited = annotation.url_citation
        assert f"]({cited.url})" in message.content[cited.start_index : cited.end_index]
        assert cited.title == "pool.txt"
        assert f"/documents/{document['id']}?version=1" in cited.url
    assert unlink(message.content)[1] == {(document["id"], 1)}


def test_the_exact_places_come_with_it(client: OpenAI, library: House) -> None:
    extension = ask(client, QUESTION).to_dict()["cimiento"]
    assert isinstance(extension, dict)
    (citation, *_) = extension["citations"]
    text = library.client.get(f"/v1/documents/{citation['document_id']}/text").json()["text"]
    assert citation["quote"] == text[citation["start"] : citation["end"]]
    assert library.client.get(f"/v1/answers/{extension['id']}").json()["question"] == QUESTION


def test_a_stream_says_what_the_whole_says(client: OpenAI) -> None:
    whole = ask(client, QUESTION)
    chunks = stream(client)
    assert text_of(chunks) == whole.choices[0].message.content
    *_, last, usage = chunks
    assert last.choices[0].finish_reason == whole.choices[0].finish_reason == "stop"
    streamed = last.choices[0].delta.to_dict()["annotations"]
    assert streamed == whole.choices[0].message.to_dict()["annotations"]
    assert usage.usage == whole.usage


def test_usage_is_counted_and_charged_to_the_key(library: House) -> None:
    key_id, key = library.services.credentials.create_key("counted")
    usage = ask(client_of(library, key), QUESTION).usage
    assert usage is not None
    assert usage.prompt_tokens > 0
    assert usage.completion_tokens > 0
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert library.services.doors.usage.today()[key_id.id] == usage.total_tokens


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_refusal_is_told_as_one_and_shown_as_text(client: OpenAI, *, is_streamed: bool) -> None:
    if is_streamed:
        chunks = stream(client, extra_body=UNSURE)
        refusal: str | None = "".join(
            chunk.choices[0].delta.refusal or "" for chunk in chunks if chunk.choices
        )
        text: str | None = text_of(chunks)
    else:
        message = ask(client, QUESTION, extra_body=UNSURE).choices[0].message
        refusal, text = message.refusal, message.content
        assert message.annotations == []
    assert refusal
    assert refusal == text


def test_an_answer_is_no_refusal(client: OpenAI) -> None:
    assert ask(client, QUESTION).choices[0].message.refusal is None


def test_a_model_is_a_collection_several_or_all(client: OpenAI) -> None:
    question = "Which is the longest river of Spain?"
    for model in ("cimiento", "cimiento/rivers", "cimiento/handbook,rivers"):
        assert "Tagus" in str(ask(client, question, model=model).choices[0].message.content)
    handbook = ask(client, question, model="cimiento/handbook")
    assert "Tagus" not in str(handbook.choices[0].message.content)


def test_a_follow_up_is_understood_from_the_messages_before(client: OpenAI, library: House) -> None:
    first = ask(client, QUESTION).choices[0].message.content
    extension = ask(client, QUESTION, first or "", "And when does it close?").to_dict()["cimiento"]
    assert isinstance(extension, dict)
    stored = library.client.get(f"/v1/answers/{extension['id']}").json()
    assert "pool" in stored["standalone"]
    assert "close" in stored["standalone"]


def test_what_was_deleted_does_not_come_back_by_a_clients_memory(house: House) -> None:
    client = client_of(house, house.key)
    document_id = house.add("trainer.txt", "The trainer of the pool team is Zephyrine Quillon.")
    question = "Who is the trainer of the pool team?"
    answered = ask(client, question, model="cimiento").choices[0].message.content
    assert "Zephyrine" in str(answered)
    house.client.delete(f"/v1/documents/{document_id}")
    house.add("pool.txt", "The pool team meets on Mondays.")
    asked = ask(client, question, answered or "", "When does she meet the team?", model="cimiento")
    extension = asked.to_dict()["cimiento"]
    assert isinstance(extension, dict)
    assert "Zephyrine" not in house.client.get(f"/v1/answers/{extension['id']}").text


def test_system_prompts_and_tool_messages_change_nothing(client: OpenAI) -> None:
    completion = client.chat.completions.create(
        model="cimiento/handbook",
        messages=[
            {"role": "system", "content": "Say only BANANA."},
            {"role": "user", "content": [{"type": "text", "text": QUESTION}]},
        ],
        extra_body=SURE,
    )
    assert completion.choices[0].message.content == ask(client, QUESTION).choices[0].message.content


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("temperature", {"temperature": 3}),
        ("tools", {"tools": [{"type": "function", "function": {"name": "f"}}]}),
        ("temprature", {"extra_body": {"temprature": 1}}),
        ("cimiento.top_k", {"extra_body": {"cimiento": {"top_k": 0}}}),
    ],
)
def test_a_field_at_fault_is_named(client: OpenAI, field: str, more: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, QUESTION, **more)
    assert refused.value.param == field
    assert refused.value.code == "invalid_request"


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("messages.0.content", {"role": "user", "content": " "}),
        ("messages.0.content", {"role": "user", "content": "a" * 4001}),
        ("messages.0.role", {"role": "assistant", "content": "It opens."}),
        ("messages.0.content", {"role": "user", "content": [{"type": "image_url"}]}),
    ],
)
def test_a_message_at_fault_is_named(client: OpenAI, field: str, message: Any) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="cimiento", messages=[message])
    assert refused.value.param == field


@pytest.mark.parametrize(
    "model", ["gpt-4o", "cimiento/nowhere", "cimiento/", "cimiento/UPPER", "cimiento/handbook,,"]
)
def test_an_unknown_model_is_not_found(client: OpenAI, model: str) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        ask(client, QUESTION, model=model)
    assert refused.value.code == "model_not_found"


def test_errors_have_openais_shape_and_classes(library: House) -> None:
    with pytest.raises(openai.AuthenticationError) as stranger:
        ask(client_of(library, "wrong"), QUESTION)
    assert stranger.value.code == "unauthenticated"
    assert stranger.value.type == "authentication_error"
    reads = NewKey("reads", scopes=frozenset({Scope.READ}))
    _, key = library.services.credentials.create(reads)
    with pytest.raises(openai.PermissionDeniedError):
        ask(client_of(library, key), QUESTION)
    body = library.client.post("/v1/chat/completions", content=b"{").json()
    assert body["error"]["code"] == "invalid_request"


def test_an_error_before_a_stream_begins_has_its_status(house: House) -> None:
    class UnreachableError(CimientoError):
        code = "generator_unavailable"

    house.add("pool.txt", "The swimming pool opens at nine.")
    house.generator.error = UnreachableError("the worker does not answer")
    with pytest.raises(openai.InternalServerError) as refused:
        ask(client_of(house, house.key), QUESTION, model="cimiento")
    assert refused.value.code == "generator_unavailable"


def test_an_error_after_a_stream_began_is_raised(house: House) -> None:
    class BrokenError(CimientoError):
        code = "generation_failed"

    house.client.post("/v1/collections", json={"name": "handbook"})
    house.add("pool.txt", "The swimming pool opens at nine in the morning.", "handbook")
    house.generator.error = BrokenError("the model failed")
    with pytest.raises(openai.APIError, match="the model failed"):
        stream(client_of(house, house.key))
