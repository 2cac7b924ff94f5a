"""Route of questions: one JSON object, or events as the answer is written."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import anyio
import anyio.to_thread
import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from app.access import TheCaller
from app.answers import StoredAnswer
from app.api.answer_schemas import (
    AnswerOut,
    AnswerRequest,
    CitationOut,
    PassagesEvent,
    encode_answer,
)
from app.api.common import TheLive, TheServices, problems
from app.asking import Asking, PassagesFound, PlacedCitation, Question, default_options, narrow
from app.errors import internal_problem, problem_of, problem_response
from app.live_answers import LiveAnswer, LiveAnswers
from app.recording import Recorded, Recorder, request_id
from app.services import Services
from app.streams import EventStreamResponse, ServerEvent, run_task, wait_for_disconnect
from core.access import Caller
from core.errors import CimientoError
from generation.types import Delta

_log = structlog.get_logger()

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
        **problems(404, 503),
    },
)
async def answer_question(
    request: Request,
    body: AnswerRequest,
    services: TheServices,
    live: TheLive,
    caller: TheCaller,
) -> Response:
    """Answer from the documents, with the exact place of every supported sentence.

    With `stream: true`, server-sent events: `passages` once, `delta` for text as it is written,
    `citation` for places as they are found, then exactly one of `done` (the whole answer),
    `error` (a problem) and `cancelled`. What `done` says replaces the deltas. A client that lost
    its connection goes on at `/v1/answers/{answer_id}/events`.
    """
    question = await anyio.to_thread.run_sync(_question, services, body, caller)
    begin = partial(_begin, live, services, question)
    if body.stream:
        return EventStreamResponse(lambda: run_task(begin().follow))
    return await _answer_at_once(request, begin())


def _question(services: Services, body: AnswerRequest, caller: Caller) -> Question:
    settings = services.settings
    options = default_options(settings.generation)
    sampling = replace(options.sampling, **body.sampling.model_dump(exclude_none=True))
    given = body.model_dump(include={"min_confidence", "prompt"}, exclude_none=True)
    return Question(
        text=body.question,
        asker=caller.name,
        access=narrow(services.collections, caller.access, body.collections),
        collections=None if body.collections is None else tuple(body.collections),
        top_k=body.top_k or settings.retrieval.top_k,
        options=replace(options, sampling=sampling, **given),
        where=body.filter,
    )


def _begin(live: LiveAnswers, services: Services, question: Question) -> LiveAnswer:
    recorder = Recorder(Asking(services, question), services.answers, encode_answer)
    return live.begin(question.id, question.asker, partial(_write, recorder))


def _write(recorder: Recorder, live: LiveAnswer) -> None:
    """Answer in a thread; whatever happens, exactly one terminal event is emitted last."""
    number = 0

    def emit(name: str, data: str) -> None:
        nonlocal number
        number += 1
        live.emit(ServerEvent(name, data, str(number)))

    try:
        for event in recorder.run(cancelled=live.is_cancelled):
            if isinstance(event, PassagesFound):
                live.passages = tuple(item.passage for item in event.passages)
            emit(*_encode(event))
    except CimientoError as error:
        emit("error", json.dumps(problem_of(error)))
    except Exception:  # noqa: BLE001 - logged in full; the caller is owed one last event
        _log.exception("answer_crashed")
        emit("error", json.dumps(internal_problem(request_id())))


def _encode(event: Recorded) -> tuple[str, str]:
    match event:
        case PassagesFound():
            return "passages", PassagesEvent.of(event).model_dump_json()
        case Delta(text):
            return "delta", json.dumps({"text": text}, ensure_ascii=False)
        case PlacedCitation():
            return "citation", CitationOut.of(event).model_dump_json()
        case StoredAnswer():
            return last_event(event)


def last_event(stored: StoredAnswer) -> tuple[str, str]:
    """Name and data of the event that ends the stream of an answer."""
    if stored.status == "cancelled":
        return "cancelled", "{}"
    if stored.status == "failed":
        return "error", json.dumps(stored.response["error"])
    return "done", json.dumps(stored.response, ensure_ascii=False)


async def _answer_at_once(request: Request, live: LiveAnswer) -> Response:
    last: ServerEvent | None = None
    async with _cancelled_at_exit(live), anyio.create_task_group() as tasks:
        tasks.start_soon(_cancel_when_gone, request, tasks.cancel_scope)
        async with run_task(live.follow) as events:
            async for event in events:
                last = event
        tasks.cancel_scope.cancel()
    if last is not None and last.name == "done":
        return Response(last.data, media_type="application/json")
    if last is not None and last.name == "error":
        return problem_response(json.loads(last.data))
    # nobody is there to read it
    return JSONResponse(None, 499)


@asynccontextmanager
async def _cancelled_at_exit(live: LiveAnswer) -> AsyncIterator[None]:
    try:
        yield
    finally:
        # who asked without events never learned the answer's id, and cannot come back
        live.cancel()


async def _cancel_when_gone(request: Request, scope: anyio.CancelScope) -> None:
    await wait_for_disconnect(request.receive)
    scope.cancel()
