"""Answers that wait their turn: who is told how many are before them."""

import json
import threading
from functools import partial

import anyio
import pytest

from app.live_answers import LiveAnswer, LiveAnswers
from app.streams import ServerEvent, run_task
from core.ids import AnswerId


@pytest.fixture
def anyio_backend() -> str:
    """The event loop that uvicorn uses."""
    return "asyncio"


@pytest.mark.anyio
async def test_a_place_is_told_between_the_events_whenever_it_changes() -> None:
    live = LiveAnswer("me", resume_s=60)
    live.wait(2)
    seen: list[ServerEvent] = []
    async with run_task(partial(live.follow, with_place=True)) as events:
        seen.append(await events.receive())
        live.wait(2)
        live.wait(0)
        seen.append(await events.receive())
        live.wait(None)
        live.emit("delta", "{}")
        live.end()
        seen += [event async for event in events]
    assert [place_of(event) for event in seen if event.name == "waiting"][:2] == [2, 0]
    assert [event.id for event in seen if event.name != "waiting"] == ["1"]
    assert seen[-1].name == "delta"


@pytest.mark.anyio
async def test_nothing_is_said_of_a_place_once_it_has_gone_on() -> None:
    live = LiveAnswer("me", resume_s=60)
    live.wait(2)
    async with run_task(partial(live.follow, with_place=True)) as events:
        assert place_of(await events.receive()) == 2
        live.num_before = None
        live.emit("delta", "{}")
        assert (await events.receive()).name == "delta"
        live.emit("done", "{}")
        assert (await events.receive()).name == "done"
        live.end()
        assert [event async for event in events] == []


@pytest.mark.anyio
async def test_who_does_not_ask_for_places_hears_of_events_alone() -> None:
    live = LiveAnswer("me", resume_s=60)
    async with run_task(live.follow) as events:
        live.wait(1)
        await anyio.lowlevel.checkpoint()
        live.emit("delta", "{}")
        live.end()
        assert [event.name async for event in events] == ["delta"]


def test_questions_that_find_no_thread_wait_behind_those_that_wait_for_the_model() -> None:
    answers = LiveAnswers(resume_s=60, max_working=2)
    may_end, have_begun = threading.Event(), threading.Barrier(3, timeout=60)

    def work(live: LiveAnswer) -> None:
        if not may_end.is_set():
            live.wait(0 if live.asker == "second" else None)
            have_begun.wait()
            may_end.wait(60)

    names = ("first", "second")
    early = [answers.begin(AnswerId(name), name, work) for name in names]
    have_begun.wait()
    late = [answers.begin(AnswerId(str(n)), "late", work) for n in range(3)]
    assert [live.num_before for live in (*early, *late)] == [None, 0, 1, 2, 3]
    may_end.set()
    answers.stop()
    assert not any(live.is_waiting for live in (*early, *late))


def place_of(event: ServerEvent) -> int | None:
    place: int | None = json.loads(event.data)["before"]
    return place
