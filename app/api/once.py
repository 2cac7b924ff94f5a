"""Requests with an `Idempotency-Key`: what they make is made once, however often they are sent."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Annotated, Final

import anyio.to_thread
from fastapi import Header, Request, Response

from app.access import note
from app.api.answer_schemas import AnswerRequest
from app.api.following import follow
from app.api.working import respond_at_once, respond_with, wait_for_last
from app.errors import AnswerNotFoundError
from app.idempotency import KeyTakenError, OnceKey
from app.live_answers import LiveAnswer, LiveAnswers
from app.services import Services
from app.streams import EventStreamResponse, run_task
from core.access import Caller
from core.ids import AnswerId

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Of your own making. Sent again under the same key within a day, the same "
        "request makes nothing anew: what it made is told again.",
        examples=["7f3c0d9e-5b52-4d0b-9a37-3d1f4d1f9a10"],
    ),
]
REPLAYED: Final = {"Idempotent-Replayed": "true"}
# An answer that failed or was cancelled is asked for anew: that is why the question comes again.
_WHOLE: Final = frozenset({"answered", "partial", "refused"})
# Whether the answer is wanted as events makes no other question.
_MANNER: Final = frozenset({"stream"})


async def answer_once(
    request: Request,
    services: Services,
    live: LiveAnswers,
    body: AnswerRequest,
    caller: Caller,
    begin: Callable[[OnceKey], LiveAnswer],
) -> Response:
    """Answer a question that came with a key: with the answer that there is, or that `begin` makes.

    Whoever hangs up may come back: the answer is written on for a while, as a stream is.
    """
    key = OnceKey.of(request.headers["Idempotency-Key"], caller, body, but=_MANNER)
    find = partial(_find_or_begin, services, live, key, caller, begin)
    found = await anyio.to_thread.run_sync(find)
    if not isinstance(found, LiveAnswer):
        note(request, target=found, collections=body.collections)
        return await _tell(request, services, live, found, caller, is_stream=body.stream)
    if body.stream:
        return EventStreamResponse(lambda: run_task(partial(found.follow, with_place=True)))
    return await respond_at_once(request, found, may_return=True)


def _find_or_begin(
    services: Services,
    live: LiveAnswers,
    key: OnceKey,
    caller: Caller,
    begin: Callable[[OnceKey], LiveAnswer],
) -> AnswerId | LiveAnswer:
    while True:
        found = _look(services, live, key, caller)
        if not isinstance(found, OnceKey):
            return found
        with suppress(KeyTakenError):
            return begin(found)


def _look(
    services: Services, live: LiveAnswers, key: OnceKey, caller: Caller
) -> AnswerId | OnceKey:
    """The answer that is or was written under the key; where one is to be, the key to begin with.

    Raises `KeyReusedError`.
    """
    made_id = services.idempotency.find(key)
    if made_id is None:
        return key
    answer_id = AnswerId(made_id)
    found = live.find(answer_id)
    # in this order: it is stored in the transaction that takes it out of those that run
    if found is not None and found.is_running:
        return answer_id
    if services.running.is_running(answer_id, caller) or _is_whole(services, answer_id, caller):
        return answer_id
    return replace(key, instead_of=answer_id)


def _is_whole(services: Services, answer_id: AnswerId, caller: Caller) -> bool:
    try:
        return services.answers.get(answer_id, caller).status in _WHOLE
    except AnswerNotFoundError:
        return False


async def _tell(
    request: Request,
    services: Services,
    live: LiveAnswers,
    answer_id: AnswerId,
    caller: Caller,
    *,
    is_stream: bool,
) -> Response:
    """Its events from the first on, those to come included, or the whole once it has ended."""
    events = await anyio.to_thread.run_sync(follow, services, live, answer_id, caller)
    if is_stream:
        response: Response = EventStreamResponse(lambda: run_task(events))
        response.headers.update(REPLAYED)
        return response
    last = await wait_for_last(request, events)
    return respond_with(request, last, headers=REPLAYED)
