"""Server-sent events from texts that are cut anywhere, and what those of an answer mean."""

import pytest

from cimiento.client.errors import AnswerCancelledError, NotFoundError
from cimiento.client.events import (
    Delta,
    EventReader,
    PassagesFound,
    Reasoning,
    ServerEvent,
    answer_event,
)


def read(*lines: str, last_id: str = "") -> list[ServerEvent]:
    """The events of these lines."""
    reader = EventReader(last_id)
    return list(reader.read("".join(f"{line}\n" for line in lines)))


def test_an_event_ends_with_an_empty_line() -> None:
    assert read("event: delta", 'data: {"text": "a"}', "id: 7", "", "data: b") == [
        ServerEvent("delta", '{"text": "a"}', "7")
    ]


def test_signs_of_life_and_unknown_fields_are_no_events() -> None:
    assert read(": still there", "", "retry: 5", "", ":") == []


def test_data_of_several_lines_is_joined() -> None:
    assert read("data: a", "data:b", "data:  c", "") == [ServerEvent("message", "a\nb\n c", "")]


def test_the_last_id_holds_until_the_next() -> None:
    events = read("id: 1", "data: a", "", "data: b", "", last_id="0")
    assert [event.id for event in events] == ["1", "1"]
    assert [event.id for event in read("data: a", "", last_id="3")] == ["3"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_text_may_be_cut_anywhere(end: str) -> None:
    text = f"event: delta{end}data: a{end}id: 1{end}{end}data: b{end}{end}:{end}"
    for size in range(1, len(text) + 1):
        reader = EventReader()
        parts = [text[at : at + size] for at in range(0, len(text), size)]
        events = [event for part in parts for event in reader.read(part)]
        assert events == [ServerEvent("delta", "a", "1"), ServerEvent("message", "b", "1")], size


def test_what_only_python_takes_for_the_end_of_a_line_is_text() -> None:
    data = "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg"
    assert read(f"data: {data}", "") == [ServerEvent("message", data, "")]


def test_events_of_an_answer_are_typed() -> None:
    assert answer_event(ServerEvent("delta", '{"text": "a"}', "1")) == Delta("a")
    assert answer_event(ServerEvent("reasoning", '{"text": "a"}', "1")) == Reasoning("a")
    found = answer_event(
        ServerEvent("passages", '{"id": "ans_1", "standalone": null, "passages": []}', "1")
    )
    assert found == PassagesFound("ans_1", None, ())


def test_an_event_of_a_newer_service_is_passed_over() -> None:
    assert answer_event(ServerEvent("weather", '{"is": "fine"}', "1")) is None


def test_what_ends_an_answer_without_one_is_raised() -> None:
    with pytest.raises(AnswerCancelledError):
        answer_event(ServerEvent("cancelled", "{}", "1"))
    problem = '{"status": 404, "code": "collection_not_found", "detail": "it is gone"}'
    with pytest.raises(NotFoundError, match="it is gone") as told:
        answer_event(ServerEvent("error", problem, "1"))
    assert told.value.code == "collection_not_found"
