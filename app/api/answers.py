"""Routes of answers that were asked for: show, follow again, cancel, delete."""

from functools import partial
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Header, Request, Response

from app.access import TheCaller
from app.answers import StoredAnswer
from app.api.answer_schemas import (
    FeedbackIn,
    FeedbackOut,
    ReplayOut,
    StoredAnswerOut,
    encode_answer,
)
from app.api.common import TheLive, TheServices, problems
from app.api.following import (
    Elsewhere,
    find_live,
    follow,
    nowhere,
    refuse_elsewhere,
    refuse_stranger,
)
from app.api.working import respond_at_once, tell_problems
from app.errors import AnswerFinishedError, AnswerRunningError
from app.feedback import Opinion
from app.live_answers import LiveAnswer, LiveAnswers
from app.processes.siblings import Siblings, is_from_sibling
from app.replaying import replay
from app.services import Services
from app.streams import EventStreamResponse, run_task
from core.access import Caller
from core.ids import AnswerId, new_id

router = APIRouter(tags=["answers"])

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
    live.forget(AnswerId(answer_id))
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
    found = find_live(live, AnswerId(answer_id), caller)
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
    request: Request,
    services: TheServices,
    live: TheLive,
    caller: TheCaller,
    last_event_id: LastEventId = 0,
) -> EventStreamResponse:
    """The events after `Last-Event-ID`, or all of them, to the last one.

    They are kept while the answer is written and for a moment after; from then on, and where a
    document was deleted whose words they hold, the last event alone is left. It is also what other
    processes know than the one that was asked, unless both serve one address.
    """
    siblings: Siblings | None = request.app.state.siblings
    elsewhere: Elsewhere = nowhere
    if is_from_sibling(request.scope):
        refuse_elsewhere(live, AnswerId(answer_id))
    elif siblings is not None:
        elsewhere = partial(siblings.follow, request.url.path, request.headers)
    events = follow(
        services, live, AnswerId(answer_id), caller, after=last_event_id, elsewhere=elsewhere
    )
    return EventStreamResponse(lambda: run_task(events))


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


def _refuse_running(
    live: LiveAnswers, services: Services, answer_id: AnswerId, caller: Caller
) -> None:
    """Whose it is once it has ended, and who else may read it, is for what is stored to say."""
    found = live.find(answer_id)
    if found is None:
        is_running = services.running.is_running(answer_id, caller)
    elif is_running := found.is_running:
        refuse_stranger(found, answer_id, caller)
    if is_running:
        raise AnswerRunningError(
            f"answer {answer_id!r} is being written; follow its events, or cancel it"
        )
