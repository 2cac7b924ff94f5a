"""Route of questions: one JSON object, or events as the answer is written."""

import json
from dataclasses import replace
from functools import partial

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.access import TheCaller, note
from app.answers import Place, StoredAnswer
from app.api.answer_schemas import (
    AnswerOut,
    AnswerRequest,
    CitationOut,
    PassagesEvent,
    encode_answer,
)
from app.api.common import TheLive, TheServices, problems
from app.api.following import last_event
from app.api.once import IdempotencyKey, answer_once
from app.api.working import respond_at_once, tell_problems
from app.asking import Asking, PassagesFound, PlacedCitation, Question, narrow, options_for
from app.following_up import PastTurn, past_turns
from app.idempotency import OnceKey
from app.live_answers import LiveAnswer, LiveAnswers
from app.recording import Recorded, Recorder
from app.services import Services
from app.streams import EventStreamResponse, run_task
from core.access import Caller
from core.ids import AnswerId, ConversationId
from generation.types import Delta, Reasoning

router = APIRouter(tags=["answers"])


@router.post(
    "/v1/answer",
    summary="Ask a question",
    response_model=AnswerOut,
    responses={
        200: {
            "description": "The answer; with `stream`, its events.",
            "content": {"text/event-stream": {}},
        },
        **problems(404, 409, 503),
    },
)
async def answer_question(
    request: Request,
    body: AnswerRequest,
    services: TheServices,
    live: TheLive,
    caller: TheCaller,
    key: IdempotencyKey = None,
) -> Response:
    """Answer from the documents, with the exact place of every supported sentence.

    With `stream: true`, server-sent events: `passages` once, `reasoning` for what the model writes
    before its answer, `delta` for the text of the answer as it is written, `citation` for places as
    they are found, then exactly one of `done` (the whole answer), `error` (a problem) and
    `cancelled`. What `done` says replaces the deltas. While others have their turn first, `waiting`
    says how many are `before` this question, and null when its turn has come; it has no id. A
    client that lost its connection goes on at `/v1/answers/{answer_id}/events`, or sends the
    question again with the same `Idempotency-Key`.
    """
    if key is not None:
        begin_once = partial(_begin_once, request, services, live, body, caller)
        return await answer_once(request, services, live, body, caller, begin_once)
    question = await anyio.to_thread.run_sync(question_of, services, body, caller)
    note(request, target=question.id, collections=body.collections)
    begin = partial(begin_answer, live, services, question)
    live.refuse_more()
    if body.stream:
        return EventStreamResponse(lambda: run_task(partial(begin().follow, with_place=True)))
    return await respond_at_once(request, begin())


def question_of(services: Services, body: AnswerRequest, caller: Caller) -> Question:
    """What is asked, inside what the caller may see. Raises what is wrong with it."""
    settings = services.settings
    place, past = _go_on(services, body, caller)
    # a follow-up is about what was asked before, which its own words need not say
    routed_to = None
    if body.collections is None and not past:
        routed_to = services.router.route(body.question, caller.access)
    collections = body.collections if routed_to is None else [routed_to]
    access = narrow(services.collections, caller.access, collections)
    options = options_for(
        services,
        access,
        caller=caller,
        prompt=body.prompt,
        sampling=body.sampling.model_dump(exclude_none=True),
        likelihood=body.likelihood,
    )
    given = body.model_dump(include={"min_confidence"}, exclude_none=True)
    return Question(
        text=body.question,
        asker=caller.name,
        access=access,
        collections=None if collections is None else tuple(collections),
        routed_to=routed_to,
        top_k=body.top_k or settings.retrieval.top_k,
        options=replace(options, **given),
        where=body.filter,
        place=place,
        past=past,
    )


def _go_on(
    services: Services, body: AnswerRequest, caller: Caller
) -> tuple[Place | None, tuple[PastTurn, ...]]:
    """Where in its conversation the question belongs, and what was said there before."""
    if body.conversation_id is None:
        return None, ()
    conversation_id = ConversationId(body.conversation_id)
    beside = None if body.in_place_of is None else AnswerId(body.in_place_of)
    place = services.conversations.place(conversation_id, caller, in_place_of=beside)
    if place.parent_id is None:
        return place, ()
    shown = services.conversations.turns(conversation_id, caller, last=place.parent_id)
    return place, past_turns(shown)


def _begin_once(
    request: Request,
    services: Services,
    live: LiveAnswers,
    body: AnswerRequest,
    caller: Caller,
    key: OnceKey,
) -> LiveAnswer:
    question = question_of(services, body, caller)
    note(request, target=question.id, collections=body.collections)
    live.refuse_more()
    return begin_answer(live, services, question, key=key)


def begin_answer(
    live: LiveAnswers, services: Services, question: Question, *, key: OnceKey | None = None
) -> LiveAnswer:
    """Let the answer be written and stored in a thread of its own.

    With a key, it is entered before that. Raises `KeyTakenError` where another has the key.
    """
    recorder = Recorder(
        Asking(services, question),
        services.answers,
        services.doors.usage,
        encode_answer,
        writer_id=live.writer_id,
    )
    work = partial(tell_problems, partial(_write, recorder))
    enter = None if key is None else partial(recorder.enter, key)
    return live.begin(question.id, question.asker, work, enter=enter)


def _write(recorder: Recorder, live: LiveAnswer) -> None:
    for event in recorder.run(cancelled=live.is_cancelled, on_wait=live.wait):
        if isinstance(event, PassagesFound):
            live.passages = tuple(item.passage for item in event.passages)
            live.examples = event.examples
        live.emit(*_encode(event))


def _encode(event: Recorded) -> tuple[str, str]:
    match event:
        case PassagesFound():
            return "passages", PassagesEvent.of(event).model_dump_json()
        case Reasoning(text):
            return "reasoning", json.dumps({"text": text}, ensure_ascii=False)
        case Delta(text):
            return "delta", json.dumps({"text": text}, ensure_ascii=False)
        case PlacedCitation():
            return "citation", CitationOut.of(event).model_dump_json()
        case StoredAnswer():
            return last_event(event)
