"""Two processes answer over one truth: each hears of the other's answers, and ends what it left."""

import json
import os
import threading
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select

from app.live_answers import LiveAnswers
from app.main import create_app
from app.presence import Presence
from app.wiring import Models, build_services
from cimiento.client.events import ServerEvent
from core.answer_tables import AnswerRow, RunningAnswerRow
from core.ids import AnswerId
from core.server_settings import ServerSettings
from tests.fakes import FakeEmbedder
from tests.fakes_generation import FakeGenerator
from tests.unit.app.house import POOL, House
from tests.unit.app.sse import Event, read_events
from tests.unit.app.test_processes import eventually

QUESTION = {"question": "When does the swimming pool open?", "min_confidence": 0, "stream": True}
KEY = {"Idempotency-Key": "7f3c0d9e"}


@dataclass
class Pair:
    """Two processes, one of which has a model that writes as long as it is held."""

    house: House
    here: TestClient
    there: TestClient

    @property
    def presence(self) -> Presence:
        """That of the process that writes."""
        presence: Presence = self.house.app.state.presence
        return presence

    @property
    def live(self) -> LiveAnswers:
        """The answers of the process that writes."""
        live: LiveAnswers = self.house.app.state.live
        return live

    def running(self) -> list[RunningAnswerRow]:
        """Every answer that is entered as running."""
        with self.house.services.database.read_scope() as session:
            return list(session.scalars(select(RunningAnswerRow)))

    def kept(self) -> list[AnswerRow]:
        """Every answer that has ended."""
        with self.house.services.database.read_scope() as session:
            return list(session.scalars(select(AnswerRow)))

    def die(self) -> None:
        """What the kernel does when the process that writes is killed; its threads live on."""
        writer_id = self.live.writer_id
        assert writer_id is not None
        self.presence._stopping.set()
        self.presence._thread.join()
        os.close(self.presence._servers._held.pop(writer_id))
        self.live.writer_id = None


class HeldGenerator(FakeGenerator):
    """Writes a word, then waits until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()
        self.may_go_on = self.let_go.is_set


@pytest.fixture
def generator() -> HeldGenerator:
    return HeldGenerator()


@pytest.fixture
def pair(tmp_path: Path, generator: HeldGenerator) -> Iterator[Pair]:
    server = ServerSettings(resume_s=60, max_answers=2)
    house = House(tmp_path / "data", generator=generator, server=server)
    house.add("pool.txt", POOL)
    services = build_services(
        house.services.settings, Models(FakeEmbedder(), FakeGenerator(), {}), None
    )
    other = create_app(services, web_root=house.web_root)
    base_url = services.settings.base_url
    headers = {"Authorization": f"Bearer {house.key}"}
    with (
        TestClient(house.app, base_url=base_url, headers=headers) as here,
        TestClient(other, base_url=base_url, headers=headers) as there,
    ):
        yield Pair(house, here, there)
        generator.let_go.set()
        house.app.state.live.stop()
    services.close()
    house.close()


def ask(
    pair: Pair, *, headers: dict[str, str] | None = None, **fields: object
) -> tuple[threading.Thread, list[list[Event]]]:
    """Ask the process that writes, and wait until it has begun."""
    ended: list[list[Event]] = []

    def read() -> None:
        response = pair.here.post("/v1/answer", json={**QUESTION, **fields}, headers=headers)
        ended.append(read_events(response.text))

    num_before = len(pair.running())
    thread = threading.Thread(target=read)
    thread.start()
    assert eventually(lambda: len(pair.running()) > num_before, within_s=60)
    return thread, ended


def last_of(events: list[Event]) -> Event:
    """The one that ended the stream; there is no other of its kind."""
    assert [event.name in ("done", "error", "cancelled") for event in events].count(True) == 1
    return events[-1]


def test_an_answer_is_followed_to_its_end_from_another_process(
    pair: Pair, generator: HeldGenerator
) -> None:
    thread, ended = ask(pair)
    answer_id = pair.running()[0].id
    assert pair.there.get(f"/v1/answers/{answer_id}").json()["code"] == "answer_running"
    assert pair.there.delete(f"/v1/answers/{answer_id}").status_code == 409
    threading.Timer(0.1, generator.let_go.set).start()
    followed = read_events(pair.there.get(f"/v1/answers/{answer_id}/events").text)
    thread.join(60)
    assert [event.name for event in followed] == ["done"]
    assert followed[0].data == last_of(ended[0]).data
    assert followed[0].id == ended[0][-1].id
    assert pair.running() == []


class BreakingOff:
    """Another process that passes on an event, and then ends."""

    async def follow(self, path: str, _headers: object) -> AsyncGenerator[ServerEvent, None]:
        """The beginning of an answer."""
        yield ServerEvent("passages", json.dumps(path), "1")


def test_an_answer_that_breaks_off_elsewhere_still_comes_to_its_end(
    pair: Pair, generator: HeldGenerator
) -> None:
    thread, ended = ask(pair)
    path = f"/v1/answers/{pair.running()[0].id}/events"
    cast("FastAPI", pair.there.app).state.siblings = BreakingOff()
    threading.Timer(0.1, generator.let_go.set).start()
    passages, done = read_events(pair.there.get(path).text)
    thread.join(60)
    assert (passages.name, passages.data, passages.id) == ("passages", path, "1")
    assert done.data == last_of(ended[0]).data


def test_an_answer_is_cancelled_from_another_process(pair: Pair) -> None:
    thread, ended = ask(pair)
    answer_id = pair.running()[0].id
    assert pair.there.post(f"/v1/answers/{answer_id}/cancel").status_code == 204
    thread.join(60)
    assert last_of(ended[0]).name == "cancelled"
    assert [row.status for row in pair.kept()] == ["cancelled"]


@pytest.mark.parametrize("headers", [{}, KEY])
def test_who_waits_for_the_whole_of_a_cancelled_answer_is_told(
    pair: Pair, headers: dict[str, str]
) -> None:
    whole = QUESTION | {"stream": False}
    with ThreadPoolExecutor(1) as threads:
        asking = threads.submit(pair.here.post, "/v1/answer", json=whole, headers=headers)
        assert eventually(lambda: len(pair.running()) == 1, within_s=60)
        answer_id = pair.running()[0].id
        assert pair.there.post(f"/v1/answers/{answer_id}/cancel").status_code == 204
        response = asking.result(60)
    assert response.status_code == 503
    assert response.json()["code"] == "answer_interrupted"


def test_what_a_dead_process_was_writing_ends_once_and_says_so(
    pair: Pair, generator: HeldGenerator
) -> None:
    thread, ended = ask(pair)
    answer_id = pair.running()[0].id
    pair.die()
    followed = read_events(pair.there.get(f"/v1/answers/{answer_id}/events").text)
    assert [event.name for event in followed] == ["error"]
    assert followed[0].data["code"] == "answer_interrupted"
    stored = pair.there.get(f"/v1/answers/{answer_id}").json()
    assert (stored["status"], stored["answer"], stored["passages"]) == ("failed", "", [])
    assert "swimming" not in json.dumps(stored["receipt"])
    # the process was not dead, as one that was stopped and goes on is not: it is too late
    generator.let_go.set()
    thread.join(60)
    assert last_of(ended[0]).data["code"] == "answer_interrupted"
    assert [row.status for row in pair.kept()] == ["failed"]
    assert pair.running() == []


def test_a_process_that_was_given_up_enters_itself_anew(pair: Pair) -> None:
    before = pair.live.writer_id
    assert before is not None
    servers = pair.presence._servers
    servers._remove({before})
    pair.presence._renewed_s = 0.0
    assert eventually(lambda: pair.live.writer_id != before, within_s=60)
    assert servers._held.keys() == {pair.live.writer_id}
    thread, _ = ask(pair)
    assert pair.running()[0].writer_id == pair.live.writer_id
    pair.live.stop()
    thread.join(60)


def test_of_an_answer_whose_conversation_is_deleted_nothing_stays(
    pair: Pair, generator: HeldGenerator
) -> None:
    conversation = pair.here.post("/v1/conversations", json={}).json()["id"]
    thread, ended = ask(pair, conversation_id=conversation)
    assert pair.there.delete(f"/v1/conversations/{conversation}").status_code in (200, 204)
    generator.let_go.set()
    thread.join(60)
    assert last_of(ended[0]).name == "error"
    assert eventually(lambda: pair.running() == [], within_s=60)
    assert pair.kept() == []


def test_a_question_too_many_is_refused_before_it_is_accepted(pair: Pair) -> None:
    asked = [ask(pair), ask(pair)]
    for path, body in (
        ("/v1/answer", QUESTION),
        (
            "/v1/chat/completions",
            {"model": "cimiento", "messages": [{"role": "user", "content": "Why?"}]},
        ),
    ):
        response = pair.here.post(path, json=body)
        assert response.status_code == 503
        assert response.headers["Retry-After"] == "5"
        assert "generator_busy" in response.text
    assert len(pair.running()) == 2
    for row in pair.running():
        found = pair.live.find(AnswerId(row.id))
        assert found is not None
        found.cancel()
    for thread, ended in asked:
        thread.join(60)
        assert last_of(ended[0]).name == "cancelled"


def ask_there(pair: Pair, **fields: object) -> httpx2.Response:
    """The same question under the same key, to the other process."""
    return pair.there.post("/v1/answer", json={**QUESTION, **fields}, headers=KEY)


@pytest.mark.parametrize("stream", [True, False])
def test_a_question_that_is_sent_again_to_another_process_is_answered_once(
    pair: Pair, generator: HeldGenerator, *, stream: bool
) -> None:
    thread, ended = ask(pair, headers=KEY)
    threading.Timer(0.1, generator.let_go.set).start()
    again = ask_there(pair, stream=stream)
    thread.join(60)
    done = last_of(ended[0])
    told = read_events(again.text)[-1].data if stream else again.json()
    assert told == done.data
    assert again.headers["idempotent-replayed"] == "true"
    assert ask_there(pair, stream=False).json() == done.data
    assert [row.id for row in pair.kept()] == [done.data["id"]]


def test_a_question_whose_process_died_is_asked_anew_under_its_key(
    pair: Pair, generator: HeldGenerator
) -> None:
    thread, ended = ask(pair, headers=KEY)
    pair.die()
    anew = ask_there(pair, stream=False)
    if anew.status_code == 503:
        # it was sent again before the others had given the process up
        assert anew.json()["code"] == "answer_interrupted"
        anew = ask_there(pair, stream=False)
    assert anew.json()["status"] == "answered"
    assert "idempotent-replayed" not in anew.headers
    # the process was not dead, and is too late
    generator.let_go.set()
    thread.join(60)
    assert last_of(ended[0]).data["code"] == "answer_interrupted"
    assert ask_there(pair, stream=False).json() == anew.json()


def test_strangers_hear_nothing_of_an_answer_elsewhere(pair: Pair) -> None:
    thread, _ = ask(pair)
    answer_id = pair.running()[0].id
    _, key = pair.house.services.credentials.create_key("another")
    headers = {"Authorization": f"Bearer {key}"}
    for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/cancel"), ("DELETE", "")):
        response = pair.there.request(method, f"/v1/answers/{answer_id}{path}", headers=headers)
        assert response.status_code == 404, path
    pair.live.stop()
    thread.join(60)
