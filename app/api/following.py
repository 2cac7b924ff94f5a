"""Follow an answer that is or was written: from its events while they are kept, else its end."""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from typing import Final

import anyio
import anyio.to_thread
from anyio.streams.memory import MemoryObjectSendStream

from app.answers import StoredAnswer, answer_not_found
from app.errors import problem_of
from app.live_answers import LiveAnswer, LiveAnswers
from app.services import Services
from app.streams import Produce, ServerEvent, run_task
from cimiento.client import events
from core.access import Caller
from core.errors import CimientoError
from core.ids import AnswerId

# Of an answer that another process writes: whether it has ended.
_LOOK_EVERY_S: Final = 0.5
_LAST: Final = frozenset({"done", "error", "cancelled"})

Elsewhere = Callable[[], AsyncGenerator[events.ServerEvent, None]]


async def nowhere() -> AsyncGenerator[events.ServerEvent, None]:
    """No events: there is no other process, or none that can be asked."""
    return
    yield


def follow(
    services: Services,
    live: LiveAnswers,
    answer_id: AnswerId,
    caller: Caller,
    *,
    after: int = 0,
    elsewhere: Elsewhere = nowhere,
) -> Produce:
    """The events after so many, to the last one; the last alone where the others are kept no more,
    are of a process that nobody here can ask, or hold words of what was deleted. Raises
    `AnswerNotFoundError`.

    elsewhere: the events where another process writes it.
    """
    found = find_live(live, answer_id, caller)
    if found is None and services.running.is_running(answer_id, caller):
        return partial(_send_from_elsewhere, services, answer_id, caller, elsewhere)
    if found is None:
        return partial(_send_last, services.answers.get(answer_id, caller))
    if services.answers.are_live(found.version_ids()):
        return partial(found.follow, after=after, with_place=True)
    return partial(_send_end, services, found, answer_id, caller)


def find_live(live: LiveAnswers, answer_id: AnswerId, caller: Caller) -> LiveAnswer | None:
    """The answer while its events are kept. Raises `AnswerNotFoundError` where it is not theirs."""
    found = live.find(answer_id)
    if found is not None:
        refuse_stranger(found, answer_id, caller)
    return found


def refuse_elsewhere(live: LiveAnswers, answer_id: AnswerId) -> None:
    """Raise `AnswerNotFoundError` where its events are not kept here, whoever asks."""
    if live.find(answer_id) is None:
        raise answer_not_found(answer_id)


def refuse_stranger(live: LiveAnswer, answer_id: AnswerId, caller: Caller) -> None:
    """Raise `AnswerNotFoundError` where it is not this caller's."""
    if not caller.may_read(live.asker, {passage.collection_id for passage in live.passages}):
        raise answer_not_found(answer_id)


def last_event(stored: StoredAnswer) -> tuple[str, str]:
    """Name and data of the event that ends the stream of an answer."""
    if stored.status == "cancelled":
        return "cancelled", "{}"
    if stored.status == "failed":
        return "error", json.dumps(stored.response["error"])
    return "done", json.dumps(stored.response, ensure_ascii=False)


async def _send_last(stored: StoredAnswer, send: MemoryObjectSendStream[ServerEvent]) -> None:
    name, data = last_event(stored)
    await send.send(ServerEvent(name, data, str(stored.num_events)))


async def _send_end(
    services: Services,
    live: LiveAnswer,
    answer_id: AnswerId,
    caller: Caller,
    send: MemoryObjectSendStream[ServerEvent],
) -> None:
    """Wait for the end of the answer, and tell of that alone."""
    async with run_task(live.follow) as events:
        async for event in events:
            last = event
    if last.name == "error":
        await send.send(last)
        return
    stored = await anyio.to_thread.run_sync(services.answers.get, answer_id, caller)
    await _send_last(stored, send)


async def _send_from_elsewhere(
    services: Services,
    answer_id: AnswerId,
    caller: Caller,
    elsewhere: Elsewhere,
    send: MemoryObjectSendStream[ServerEvent],
) -> None:
    """Pass on what the process that writes it sends, and where it cannot be asked, its end."""
    name = ""
    async with aclosing(elsewhere()) as passed_on:
        async for event in passed_on:
            name = event.name
            await send.send(ServerEvent(name, event.data, event.id or None))
    if name not in _LAST:
        await _send_end_elsewhere(services, answer_id, caller, send)


async def _send_end_elsewhere(
    services: Services,
    answer_id: AnswerId,
    caller: Caller,
    send: MemoryObjectSendStream[ServerEvent],
) -> None:
    """Wait for the end of an answer that another process writes, and tell of that."""
    in_thread = anyio.to_thread.run_sync
    try:
        is_running = partial(services.running.is_running, answer_id, caller)
        while await in_thread(is_running):  # noqa: ASYNC110 - its end is no event of this process
            await anyio.sleep(_LOOK_EVERY_S)
        await _send_last(await in_thread(services.answers.get, answer_id, caller), send)
    except CimientoError as error:
        # gone with its conversation, or come to nothing
        await send.send(ServerEvent("error", json.dumps(problem_of(error))))
