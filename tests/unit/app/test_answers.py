"""Questions over HTTP: shapes, the order of events, one last event, receipts, refusals."""

import hashlib
import json
import threading
from pathlib import Path

import anyio
import pytest
from starlette.types import Message

from core.access import Access
from core.errors import CimientoError
from core.ids import DocumentId
from tests.fakes_generation import FakeGenerator
from tests.unit.app.asgi import GONE, Exchange, call, part
from tests.unit.app.house import POOL, House
from tests.unit.app.sse import Event, read_events

QUESTION = "When does the swimming pool open in the morning?"
LAST = {"done", "error", "cancelled"}


class BusyError(CimientoError):
    """A refusal by a model that has too much to do."""

    code = "not_ready"


def ask(house: House, **body: object) -> dict[str, object]:
    """Ask at once; whatever the confidence."""
    body = {"question": QUESTION, "min_confidence": 0.0, **body}
    response = house.client.post("/v1/answer", json=body)
    assert response.status_code == 200, response.text
    reply: dict[str, object] = response.json()
    return reply


def stream(house: House, **body: object) -> list[Event]:
    """Ask with events."""
    body = {"question": QUESTION, "min_confidence": 0.0, "stream": True, **body}
    response = house.client.post("/v1/answer", json=body)
    assert response.headers["content-type"].startswith("text/event-stream")
    return read_events(response.text)


def test_answer_cites_the_exact_place(house: House) -> None:
    document_id = house.add("pool.txt", POOL)
    reply = house.client.post("/v1/answer", json={"question": QUESTION, "min_confidence": 0}).json()
    assert reply["status"] == "answered"
    text = house.client.get(f"/v1/documents/{document_id}/text").json()["text"]
    citation = reply["citations"][0]
    assert citation.keys() == {
        "n",
        "document_id",
        "document_name",
        "version",
        "page",
        "start",
        "end",
        "quote",
        "boxes",
        "support",
    }
    assert citation["quote"] == text[citation["start"] : citation["end"]]
    assert "nine in the morning" in citation["quote"]
    sentence = reply["sentences"][0]
    assert sentence["citations"] == [citation["n"]]
    assert "nine" in reply["answer"][sentence["start"] : sentence["end"]]


def test_receipt_says_what_the_answer_was_made_of(house: House) -> None:
    house.add("pool.txt", POOL)
    reply = house.client.post(
        "/v1/answer",
        json={"question": QUESTION, "min_confidence": 0, "sampling": {"seed": 7, "top_k": 3}},
    ).json()
    receipt = reply["receipt"]
    assert receipt["model"] == "fake-generator"
    assert receipt["model_sha256"] == "f" * 64
    assert receipt["embedding_model"] == "fake-embedder"
    assert receipt["prompt"] == "direct@1"
    assert receipt["index_generation"] == house.services.retriever.generation()
    assert (receipt["sampling"]["seed"], receipt["sampling"]["top_k"]) == (7, 3)
    assert receipt["left_out"] == []
    passage = reply["passages"][0]
    assert receipt["passages"] == [
        {
            "chunk_id": passage["id"],
            "document_id": passage["document_id"],
            "version": 1,
            "sha256": hashlib.sha256(passage["text"].encode()).hexdigest(),
        }
    ]
    assert 0 <= reply["timings"]["retrieve_ms"] <= reply["timings"]["first_token_ms"]
    assert reply["timings"]["first_token_ms"] <= reply["timings"]["total_ms"]
    assert reply["usage"]["completion_tokens"] > 0


def test_events_come_in_order_and_end_once(house: House) -> None:
    house.add("pool.txt", POOL)
    events = stream(house)
    names = [event.name for event in events]
    assert names[0] == "passages"
    assert names.count("passages") == 1
    assert [name for name in names if name in LAST] == ["done"] == names[-1:]
    middle = names[1:-1]
    assert middle == sorted(middle, key=["delta", "citation"].index)
    assert set(middle) == {"delta", "citation"}
    assert [event.id for event in events] == [str(n) for n in range(1, len(events) + 1)]


def test_streamed_and_whole_answers_are_equal(house: House) -> None:
    house.add("pool.txt", POOL)
    streamed, whole = stream(house)[-1].data, ask(house)
    for volatile in ("id", "timings"):
        streamed.pop(volatile)
        whole.pop(volatile)
    assert streamed == whole


def test_deltas_add_up_to_the_answer(house: House) -> None:
    house.add("pool.txt", POOL)
    events = stream(house)
    text = "".join(event.data["text"] for event in events if event.name == "delta")
    assert text.strip() == events[-1].data["answer"].strip()
    assert events[0].data["id"] == events[-1].data["id"]
    assert events[0].data["passages"] == events[-1].data["passages"]


def test_an_empty_house_refuses_and_cites_nothing(house: House) -> None:
    reply = ask(house)
    assert (reply["status"], reply["citations"], reply["passages"]) == ("refused", [], [])
    assert reply["answer"]
    assert [event.name for event in stream(house)] == ["passages", "done"]


def test_low_confidence_refuses_and_shows_what_was_nearest(house: House) -> None:
    house.add("pool.txt", POOL)
    body = {"question": "Who invented the telephone?", "min_confidence": 1.0}
    reply = house.client.post("/v1/answer", json=body).json()
    assert (reply["status"], reply["citations"]) == ("refused", [])
    assert len(reply["passages"]) == 1


def test_an_unsupported_draft_never_gets_out(tmp_path: Path) -> None:
    invented = FakeGenerator(reply="Unicorns graze beside seventeen purple volcanoes.")
    house = House(tmp_path, generator=invented, style="draft")
    house.add("pool.txt", POOL)
    events = stream(house)
    assert not [event for event in events if "nicorn" in json.dumps(event.data)]
    assert events[-1].name == "done"
    house.close()


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (BusyError("the model is busy"), 503, "not_ready"),
        (ZeroDivisionError("the password is hunter2"), 500, "internal_error"),
    ],
)
def test_an_error_while_writing_is_the_last_event(
    tmp_path: Path, error: Exception, status: int, code: str
) -> None:
    house = House(tmp_path, generator=FakeGenerator(error=error))
    house.add("pool.txt", POOL)
    events = stream(house)
    assert [event.name for event in events] == ["passages", "error"]
    assert (events[-1].data["status"], events[-1].data["code"]) == (status, code)
    response = house.client.post("/v1/answer", json={"question": QUESTION, "min_confidence": 0})
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"
    assert "hunter2" not in response.text + json.dumps(events[-1].data)
    house.close()


def test_an_unknown_prompt_is_a_problem(house: House) -> None:
    house.add("pool.txt", POOL)
    response = house.client.post("/v1/answer", json={"question": QUESTION, "prompt": "none"})
    assert (response.status_code, response.json()["code"]) == (404, "prompt_not_found")


def test_unknown_collections_are_refused_before_a_stream_begins(house: House) -> None:
    body = {"question": QUESTION, "stream": True, "collections": ["none"]}
    assert house.client.post("/v1/answer", json=body).status_code == 404


def test_an_answer_stays_inside_the_collections_asked_for(house: House) -> None:
    house.client.post("/v1/collections", json={"name": "other"})
    house.add("pool.txt", POOL)
    assert ask(house, collections=["other"])["passages"] == []
    assert ask(house, collections=["other", "default"])["passages"] != []


def test_control_characters_are_taken_out_of_a_question(house: House) -> None:
    house.add("pool.txt", POOL)
    assert ask(house, question="When does\x00 the \x1bpool open?\r\nIn the morning")["answer"]


def test_a_client_that_leaves_stops_the_model(house: House) -> None:
    house.add("pool.txt", POOL)
    house.generator.may_go_on = lambda: False
    body = json.dumps({"question": QUESTION, "min_confidence": 0}).encode()

    async def receive(number: int, _exchange: Exchange) -> Message:
        if number == 1:
            return part(body, more=False)
        await anyio.to_thread.run_sync(house.generator.is_writing.wait, 60)
        return GONE

    headers = {"authorization": f"Bearer {house.key}", "content-type": "application/json"}
    call(house.app, "/v1/answer", headers=headers, receive=receive)
    assert house.generator.was_cancelled.wait(60)


def test_an_answer_that_rests_on_a_deleted_document_becomes_a_refusal(house: House) -> None:
    document_id = house.add("pool.txt", POOL)
    is_deleted = threading.Event()
    house.generator.may_go_on = is_deleted.is_set

    def delete_while_it_writes() -> None:
        house.generator.is_writing.wait(60)
        house.services.documents.delete(DocumentId(document_id), Access.to_everything())
        is_deleted.set()

    deleting = threading.Thread(target=delete_while_it_writes)
    deleting.start()
    last = stream(house)[-1]
    deleting.join()
    assert last.name == "done"
    assert (last.data["status"], last.data["citations"]) == ("refused", [])
    assert (last.data["passages"], last.data["sentences"]) == ([], [])
    assert "nine" not in last.data["answer"]
