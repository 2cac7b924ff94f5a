"""Routes of answers that were asked for: show, follow again, cancel, delete."""

import json
from functools import partial
from typing import Annotated, Final

import anyio.to_thread
from anyio.streams.memory import MemoryObjectSendStream
from fastapi import APIRouter, Header, Request, Response

from app.access import TheCaller
from app.answers import StoredAnswer, answer_not_found
from app.api.answer import last_event
from app.api.answer_schemas import (
    FeedbackIn,
    FeedbackOut,
    ReplayOut,
    StoredAnswerOut,
    encode_answer,
)
from app.api.common import TheLive, TheServices, problems
from app.api.working import respond_at_once, tell_problems
from app.errors import AnswerFinishedError, AnswerRunningError, problem_of
from app.feedback import Opinion
from app.live_answers import LiveAnswer, LiveAnswers
from app.replaying import replay
from app.services import Services
from app.streams import EventStreamResponse, ServerEvent, run_task
from core.access import Caller
from core.errors import CimientoError
from core.ids import AnswerId, new_id

router = APIRouter(tags=["answers"])

# Of an answer that another process writes: whether it has ended.
_LOOK_EVERY_S: Final = 0.5

LastEventId = Annotated[
    int, Header(alias="Last-Event-ID", ge=0, lt=2**31, description="Id of the last event seen.")
]


@router.get("/v1/answers/{answer_id}", summary="Show an answer", responses=problems(404, 409))
def get_answer(
    answer_id: str, services: TheServices, live: TheLive, caller: TheCaller
) -> StoredAnswerOut:
    """An answer that came to its end, without the words of what was deleted since.

    Only the key or person that asked for it may read it, unless it is shared, and only while it may
    see every collection that the answer quotes from.
    """
    _refuse_running(live, services, AnswerId(answer_id), caller)
    stored = services.answers.get(AnswerId(answer_id), caller, or_shared=True)
    # what the asker thinks of it is not shared
    own = stored.asker == caller.name or caller.is_owner
    return StoredAnswerOut.of_stored(stored, services.feedback.find(stored.id) if own else None)


@router.put(
    "/v1/answers/{answer_id}/share",
    summary="Share an answer",
    status_code=204,
    responses=problems(404),
)
def share_answer(answer_id: str, services: TheServices, caller: TheCaller) -> Response:
    """Let everybody here read it who may see every collection that it quotes from."""
    services.answers.share(AnswerId(answer_id), caller)
    return Response(status_code=204)


@router.delete(
    "/v1/answers/{answer_id}/share",
    summary="Stop sharing an answer",
    status_code=204,
    responses=problems(404),
)
def unshare_answer(answer_id: str, services: TheServices, caller: TheCaller) -> Response:
    """Make it the asker's alone again."""
    services.answers.share(AnswerId(answer_id), caller, is_on=False)
    return Response(status_code=204)


@router.delete(
    "/v1/answers/{answer_id}",
    summary="Delete an answer",
    status_code=204,
    responses=problems(404, 409),
)
def delete_answer(
    answer_id: str, services: TheServices, live: TheLive, caller: TheCaller
) -> Response:
    """Forget an answer, with its question. One that is being written must be cancelled first."""
    _refuse_running(live, services, AnswerId(answer_id), caller)
    services.answers.delete(AnswerId(answer_id), caller)
    return Response(status_code=204)


@router.post(
    "/v1/answers/{answer_id}/cancel",
    summary="Cancel an answer",
    status_code=204,
    responses=problems(404, 409),
)
def cancel_answer(
    answer_id: str, services: TheServices, live: TheLive, caller: TheCaller
) -> Response:
    """Stop writing: at once, or within seconds where another process writes it. What was written
    until then is kept, as `cancelled`.
    """
    found = _find_live(live, AnswerId(answer_id), caller)
    if found is None and services.running.cancel(AnswerId(answer_id), caller):
        return Response(status_code=204)
    if found is None or not found.is_running:
        services.answers.get(AnswerId(answer_id), caller)
        raise AnswerFinishedError(f"answer {answer_id!r} has come to its end")
    found.cancel()
    return Response(status_code=204)


@router.get(
    "/v1/answers/{answer_id}/events",
    summary="Follow an answer",
    status_code=200,
    response_class=EventStreamResponse,
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "Events until the answer ends."},
        **problems(404),
    },
)
def follow_answer(
    answer_id: str,
    services: TheServices,
    live: TheLive,
    caller: TheCaller,
    last_event_id: LastEventId = 0,
) -> EventStreamResponse:
    """The events after `Last-Event-ID`, or all of them, to the last one.

    They are kept while the answer is written and for a moment after; from then on, and where a
    document was deleted whose words they hold, the last event alone is left. It is also what other
    processes know than the one that was asked.
    """
    found = _find_live(live, AnswerId(answer_id), caller)
    if found is None and services.running.is_running(AnswerId(answer_id), caller):
        elsewhere = partial(_send_end_elsewhere, services, AnswerId(answer_id), caller)
        return EventStreamResponse(lambda: run_task(elsewhere))
    if found is None:
        stored = services.answers.get(AnswerId(answer_id), caller)
        return EventStreamResponse(lambda: run_task(partial(_send_last, stored)))
    if services.answers.are_live(found.version_ids()):
        follow = partial(found.follow, after=last_event_id, with_place=True)
        return EventStreamResponse(lambda: run_task(follow))
    end = partial(_send_end, services, found, AnswerId(answer_id), caller)
    return EventStreamResponse(lambda: run_task(end))


@router.post(
    "/v1/answers/{answer_id}/feedback", summary="Judge an answer", responses=problems(404, 409)
)
def judge_answer(
    answer_id: str, body: FeedbackIn, services: TheServices, live: TheLive, caller: TheCaller
) -> FeedbackOut:
    """Say whether it is good, and what would be. What is said later takes the place of it."""
    _refuse_running(live, services, AnswerId(answer_id), caller)
    opinion = Opinion(**body.model_dump())
    return FeedbackOut.of(services.feedback.give(AnswerId(answer_id), caller, opinion))


@router.post(
    "/v1/answers/{answer_id}/replay",
    summary="Replay an answer",
    response_model=ReplayOut,
    responses=problems(404, 409, 503),
)
async def replay_answer(
    answer_id: str, request: Request, services: TheServices, live: TheLive, caller: TheCaller
) -> Response:
    """Ask the same question again, as the receipt says, and compare.

    `same` says whether the answer is equal; `differences` names what of it is not; `causes` what
    it was made of that has changed. The new answer is not stored.
    """
    stored = await anyio.to_thread.run_sync(services.answers.get, AnswerId(answer_id), caller)
    work = partial(tell_problems, partial(_replay, services, stored, caller))
    return await respond_at_once(request, live.begin(AnswerId(new_id("rep")), caller.name, work))


def _replay(services: Services, stored: StoredAnswer, caller: Caller, live: LiveAnswer) -> None:
    done = replay(services, stored, caller, encode_answer, cancelled=live.is_cancelled)
    if done is not None:
        live.emit("done", ReplayOut.of(stored.id, done).model_dump_json())


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
        # gone with its conversation
        await send.send(ServerEvent("error", json.dumps(problem_of(error))))


def _find_live(live: LiveAnswers, answer_id: AnswerId, caller: Caller) -> LiveAnswer | None:
    """The answer while its events are kept. Raises `AnswerNotFoundError` where it is not theirs."""
    found = live.find(answer_id)
    if found is not None:
        _refuse_stranger(found, answer_id, caller)
    return found


def _refuse_running(
    live: LiveAnswers, services: Services, answer_id: AnswerId, caller: Caller
) -> None:
    """Whose it is once it has ended, and who else may read it, is for what is stored to say."""
    found = live.find(answer_id)
    if found is None:
        is_running = services.running.is_running(answer_id, caller)
    elif is_running := found.is_running:
        _refuse_stranger(found, answer_id, caller)
    if is_running:
        raise AnswerRunningError(
            f"answer {answer_id!r} is being written; follow its events, or cancel it"
        )


def _refuse_stranger(live: LiveAnswer, answer_id: AnswerId, caller: Caller) -> None:
    if not caller.may_read(live.asker, {passage.collection_id for passage in live.passages}):
        raise answer_not_found(answer_id)
