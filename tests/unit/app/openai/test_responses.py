"""Responses by OpenAI's own client: the same answer as in a chat, whole and event by event."""

from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.unit.app.house import House
from tests.unit.app.openai.conftest import client_of

QUESTION = "When does the swimming pool open in the morning?"
SURE: dict[str, Any] = {"cimiento": {"min_confidence": 0}}
UNSURE: dict[str, Any] = {"cimiento": {"min_confidence": 1}}
EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def ask(client: OpenAI, asked: Any = QUESTION, **more: Any) -> Response:
    """Ask; whatever the confidence."""
    response = client.responses.create(
        model="cimiento/handbook", input=asked, **{"extra_body": SURE, **more}
    )
    return Response.model_validate(response.to_dict(), strict=True)


def stream(client: OpenAI, **more: Any) -> list[Any]:
    """The events of the answer to the question, as OpenAI's types have them."""
    events = client.responses.create(
        model="cimiento/handbook", input=QUESTION, stream=True, **{"extra_body": SURE, **more}
    )
    return [EVENTS.validate_python(event.to_dict()) for event in events]


def parts_of(response: Response) -> list[Any]:
    """The parts of its one message."""
    (message,) = response.output
    assert message.type == "message"
    return list(message.content)


def test_a_response_is_the_answer_of_a_chat(client: OpenAI) -> None:
    chat = client.chat.completions.create(
        model="cimiento/handbook",
        messages=[{"role": "user", "content": QUESTION}],
        extra_body=SURE,
    ).choices[0]
    response = ask(client)
    assert response.status == "completed"
    assert response.output_text == chat.message.content
    (part,) = parts_of(response)
    assert [each.url for each in part.annotations] == [
        each.url_citation.url for each in chat.message.annotations or []
    ]
    assert response.usage is not None
    assert response.usage.output_tokens > 0


@pytest.mark.parametrize("options", [SURE, UNSURE], ids=["answered", "refused"])
def test_a_stream_says_what_the_whole_says(client: OpenAI, options: dict[str, Any]) -> None:
    whole = ask(client, extra_body=options)
    events = stream(client, extra_body=options)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = [each.delta for each in events if each.type == "response.output_text.delta"]
    assert "".join(deltas) == whole.output_text
    first, last = events[0].response, events[-1].response
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    assert (first.status, last.status) == ("in_progress", "completed")
    assert first.id == last.id
    part, *_ = parts_of(last)
    assert parts_of(last) == parts_of(whole)
    annotations = [
        each.annotation for each in events if each.type == "response.output_text.annotation.added"
    ]
    assert [each.to_dict() for each in annotations] == [each.to_dict() for each in part.annotations]
    assert last.usage == whole.usage


def test_what_was_cut_is_incomplete_whole_and_streamed(tmp_path: Path) -> None:
    house = House(tmp_path, style="draft")
    text = "The swimming pool opens at nine. Dogs are not allowed inside."
    house.client.post("/v1/collections", json={"name": "handbook"})
    house.add("pool.txt", text, "handbook")
    house.generator.reply = text
    client = client_of(house, house.key)
    cut = ask(client, max_output_tokens=8)
    assert cut.output_text.startswith("The swimming pool opens at nine.")
    assert cut.status == "incomplete"
    assert cut.incomplete_details is not None
    assert cut.incomplete_details.reason == "max_output_tokens"
    (message,) = cut.output
    assert message.type == "message"
    assert message.status == "incomplete"
    last = stream(client, max_output_tokens=8)[-1]
    assert last.type == "response.incomplete"
    assert last.response.incomplete_details == cut.incomplete_details
    whole = ask(client, max_output_tokens=100)
    assert (whole.status, whole.incomplete_details) == ("completed", None)
    house.close()


def test_a_refusal_is_a_part_beside_the_text(client: OpenAI) -> None:
    response = ask(client, extra_body=UNSURE)
    text, refusal = parts_of(response)
    assert (text.type, refusal.type) == ("output_text", "refusal")
    assert response.output_text == refusal.refusal


def test_a_response_goes_on_from_the_one_before(client: OpenAI, library: House) -> None:
    first = ask(client)
    second = ask(client, "And when does it close?", previous_response_id=first.id)
    assert second.previous_response_id == first.id
    assert understood(library, second) == "When does the swimming pool close?"


def understood(library: House, response: Response) -> object:
    """What a follow-up was rewritten to."""
    answer_id = response.id.removeprefix("resp_")
    return library.client.get(f"/v1/answers/{answer_id}").json()["standalone"]


def test_messages_and_earlier_output_are_taken_as_input(client: OpenAI, library: House) -> None:
    first = ask(client, [{"role": "user", "content": [{"type": "input_text", "text": QUESTION}]}])
    second = ask(
        client,
        [
            {"role": "user", "content": QUESTION},
            *(item.to_dict() for item in first.output),
            {"role": "user", "content": "And when does it close?"},
        ],
    )
    assert understood(library, second) == "When does the swimming pool close?"


def test_somebody_elses_response_is_not_there(client: OpenAI, library: House) -> None:
    first = ask(client)
    _, key = library.services.credentials.create_key("another")
    with pytest.raises(openai.NotFoundError) as refused:
        ask(client_of(library, key), "And then?", previous_response_id=first.id)
    assert refused.value.code == "answer_not_found"


def test_a_failure_on_the_way_ends_the_stream(house: House) -> None:
    house.client.post("/v1/collections", json={"name": "handbook"})
    house.add("pool.txt", "The swimming pool opens at nine in the morning.", "handbook")
    house.generator.error = RuntimeError("a bug")
    events = stream(client_of(house, house.key))
    assert events[-1].type == "response.failed"
    assert events[-1].response.error.message
    assert "a bug" not in events[-1].response.error.message
