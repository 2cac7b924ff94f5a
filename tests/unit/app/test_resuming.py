"""A lost connection costs nothing: the stream goes on where it was; cancelling is at once."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from starlette.types import Message

from core.access import Access
from core.ids import AnswerId, DocumentId
from core.server_settings import ServerSettings
from tests.fakes_generation import FakeGenerator
from tests.unit.app.asgi import GONE, Exchange, call, part
from tests.unit.app.house import POOL, House
from tests.unit.app.sse import Event, read_events

QUESTION = "When does the swimming pool open in the morning?"


def new_house(folder: Path, *, resume_s: float, pause_s: float = 0.03) -> House:
    house = House(
        folder,
        generator=FakeGenerator(pause_s=pause_s),
        server=ServerSettings(resume_s=resume_s),
    )
    house.add("pool.txt", POOL)
    return house


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A service with a slow model, which waits for those who lost their connection."""
    house = new_house(tmp_path / "data", resume_s=60)
    yield house
    house.close()


def lose_connection(house: House, *, goes_on: bool = True) -> list[Event]:
    """Ask with events, and hang up once the model writes; what came until then.

    The model waits for that after its first word, and for ever where it does not go on.
    """
    body = json.dumps({"question": QUESTION, "min_confidence": 0, "stream": True}).encode()
    has_gone = threading.Event()
    house.generator.may_go_on = lambda: goes_on and has_gone.is_set()

    async def receive(number: int, exchange: Exchange) -> Message:
        if number == 1:
            return part(body, more=False)
        await anyio.to_thread.run_sync(house.generator.is_writing.wait, 60)
        while b"event: passages" not in exchange.body:  # noqa: ASYNC110 - it has no event to wait for
            await anyio.sleep(0.01)
        return GONE

    headers = {"authorization": f"Bearer {house.key}", "content-type": "application/json"}
    exchange = call(house.app, "/v1/answer", headers=headers, receive=receive)
    has_gone.set()
    return read_events(exchange.body.decode())


def resume(house: House, answer_id: str, last: int | None = None) -> list[Event]:
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    response = house.client.get(f"/v1/answers/{answer_id}/events", headers=headers)
    assert response.status_code == 200, response.text
    return read_events(response.text)


def wait_for_end(house: House, answer_id: str) -> None:
    live = house.app.state.live.find(AnswerId(answer_id))
    while live is not None and live.is_running:
        time.sleep(0.01)


def test_a_resumed_stream_misses_nothing_and_doubles_nothing(house: House) -> None:
    before = lose_connection(house)
    assert before[0].name == "passages"
    assert before[-1].name in {"passages", "delta"}
    answer_id = before[0].data["id"]
    after = resume(house, answer_id, int(before[-1].id))
    assert not house.generator.was_cancelled.is_set()
    ids = [int(event.id) for event in before + after]
    assert ids == list(range(1, len(ids) + 1))
    text = "".join(event.data["text"] for event in before + after if event.name == "delta")
    assert (after[-1].name, after[-1].data["answer"]) == ("done", text.strip())
    assert before + after == resume(house, answer_id)


def test_resumed_equals_uninterrupted(house: House) -> None:
    first = lose_connection(house)
    resumed = resume(house, first[0].data["id"], int(first[-1].id))[-1].data
    body = {"question": QUESTION, "min_confidence": 0}
    whole = house.client.post("/v1/answer", json=body).json()
    for volatile in ("id", "timings"):
        resumed.pop(volatile)
        whole.pop(volatile)
    assert resumed == whole


def test_the_last_event_is_sent_even_to_those_who_have_it(house: House) -> None:
    answer_id = lose_connection(house)[0].data["id"]
    events = resume(house, answer_id)
    for seen in (len(events), len(events) + 50):
        assert resume(house, answer_id, seen) == events[-1:]


def test_after_a_while_the_last_event_alone_is_left(tmp_path: Path) -> None:
    house = new_house(tmp_path, resume_s=0, pause_s=0)
    body = {"question": QUESTION, "min_confidence": 0, "stream": True}
    events = read_events(house.client.post("/v1/answer", json=body).text)
    assert resume(house, events[0].data["id"]) == events[-1:]
    house.close()


def test_whoever_waits_hears_their_place_which_is_no_event_to_be_kept(house: House) -> None:
    house.generator.num_before = 2
    body = json.dumps({"question": QUESTION, "min_confidence": 0, "stream": True}).encode()

    async def receive(number: int, exchange: Exchange) -> Message:
        if number == 1:
            return part(body, more=False)
        while b"event: waiting" not in exchange.body:  # noqa: ASYNC110 - it has no event to wait for
            await anyio.sleep(0.01)
        house.generator.may_write.set()
        await anyio.sleep_forever()
        return GONE

    headers = {"authorization": f"Bearer {house.key}", "content-type": "application/json"}
    exchange = call(house.app, "/v1/answer", headers=headers, receive=receive)
    first, waiting, *others = read_events(exchange.body.decode())
    assert (first.name, waiting) == ("passages", Event("waiting", {"before": 2}, ""))
    kept = [event for event in (first, *others) if event.id]
    assert resume(house, first.data["id"]) == kept


def test_where_nobody_comes_back_the_model_stops_and_what_there_was_is_kept(
    tmp_path: Path,
) -> None:
    house = new_house(tmp_path, resume_s=0)
    answer_id = lose_connection(house, goes_on=False)[0].data["id"]
    assert house.generator.was_cancelled.wait(60)
    wait_for_end(house, answer_id)
    stored = house.client.get(f"/v1/answers/{answer_id}").json()
    assert stored["status"] == "cancelled"
    assert POOL.startswith(stored["answer"])
    assert [event.name for event in resume(house, answer_id)] == ["cancelled"]
    house.close()


def test_cancelling_does_not_wait_for_anybody(house: House) -> None:
    answer_id = lose_connection(house, goes_on=False)[0].data["id"]
    path = f"/v1/answers/{answer_id}"
    for method in ("GET", "DELETE"):
        response = house.client.request(method, path)
        assert (response.status_code, response.json()["code"]) == (409, "answer_running")
    assert house.client.post(f"{path}/cancel").status_code == 204
    assert house.generator.was_cancelled.wait(60)
    assert resume(house, answer_id)[-1].name == "cancelled"
    assert house.client.get(path).json()["status"] == "cancelled"
    response = house.client.post(f"{path}/cancel")
    assert (response.status_code, response.json()["code"]) == (409, "answer_finished")


def test_events_that_were_kept_do_not_show_a_deleted_document(house: House) -> None:
    first = lose_connection(house)
    answer_id = first[0].data["id"]
    document_id = DocumentId(first[0].data["passages"][0]["document_id"])
    house.services.documents.delete(document_id, Access.to_everything())
    for _ in range(2):  # while it is written, and after
        events = resume(house, answer_id, 0)
        assert [event.name for event in events] == ["done"]
        assert "nine" not in json.dumps(events[0].data)
        assert "pool.txt" not in json.dumps(events[0].data)


def test_events_that_were_kept_go_with_their_answer(house: House) -> None:
    answer_id = lose_connection(house)[0].data["id"]
    assert resume(house, answer_id, 0)[-1].name == "done"
    assert house.client.delete(f"/v1/answers/{answer_id}").status_code == 204
    response = house.client.get(f"/v1/answers/{answer_id}/events")
    assert (response.status_code, response.json()["code"]) == (404, "answer_not_found")


@pytest.mark.parametrize("last", ["-1", "x", "99999999999"])
def test_a_last_event_that_cannot_be_is_refused(house: House, last: str) -> None:
    response = house.client.get("/v1/answers/ans_x/events", headers={"Last-Event-ID": last})
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
