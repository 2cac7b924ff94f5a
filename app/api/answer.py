"""Route of answers: one JSON object, or events as the answer is written."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import anyio
import anyio.to_thread
import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from app.access import CallerAccess
from app.api.answer_schemas import (
    AnswerOut,
    AnswerRequest,
    CitationOut,
    PassagesEvent,
)
from app.api.common import TheServices, TheThreads, problems
from app.asking import (
    AskEvent,
    FullAnswer,
    PassagesFound,
    PlacedCitation,
    Question,
    ask,
    default_options,
    narrow,
)
from app.errors import internal_problem, problem_of, problem_response
from app.services import Services
from app.streams import EventStreamResponse, ServerEvent, WorkThreads, wait_for_disconnect
from core.access import Access
from core.errors import CimientoError
from core.settings import Settings
from generation.types import Cancelled, Delta

_log = structlog.get_logger()

router = APIRouter(tags=["answers"])

Outcome = AskEvent | dict[str, object]
"""An event of the answer, or the problem that ended it."""


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
    threads: TheThreads,
    access: CallerAccess,
) -> Response:
    """Answer from the documents, with the exact place of every supported sentence.

    With `stream: true`, server-sent events: `passages` once, `delta` for text as it is written,
    `citation` for places as they are found, then exactly one of `done` (the whole answer),
    `error` (a problem) and `cancelled`. What `done` says replaces the deltas.
    """
    narrowed = await anyio.to_thread.run_sync(
        narrow, services.collections, access, body.collections
    )
    work = partial(_work, services, _question(services.settings, body, narrowed))
    if body.stream:
        return EventStreamResponse(lambda: threads.run(partial(_emit_encoded, work)))
    return await _answer_at_once(request, work, threads)


def _question(settings: Settings, body: AnswerRequest, access: Access) -> Question:
    options = default_options(settings.generation)
    sampling = replace(options.sampling, **body.sampling.model_dump(exclude_none=True))
    given = body.model_dump(include={"min_confidence", "prompt"}, exclude_none=True)
    return Question(
        text=body.question,
        access=access,
        top_k=body.top_k or settings.retrieval.top_k,
        options=replace(options, sampling=sampling, **given),
        where=body.filter,
    )


def _work(
    services: Services,
    question: Question,
    emit: Callable[[Outcome], None],
    cancelled: Callable[[], bool],
) -> None:
    """Answer in a thread; whatever happens, exactly one terminal outcome is emitted last."""
    try:
        for event in ask(services, question, cancelled=cancelled):
            emit(event)
    except CimientoError as error:
        emit(problem_of(error))
    except Exception:  # noqa: BLE001 - logged in full; the caller is owed one last event
        request_id = structlog.contextvars.get_contextvars().get("request_id", "")
        _log.exception("answer_crashed")
        emit(internal_problem(request_id))


def _emit_encoded(
    work: Callable[[Callable[[Outcome], None], Callable[[], bool]], None],
    emit: Callable[[ServerEvent], None],
    cancelled: Callable[[], bool],
) -> None:
    number = 0

    def encode(outcome: Outcome) -> None:
        nonlocal number
        number += 1
        name, data = _encode(outcome)
        emit(ServerEvent(name, data, str(number)))

    work(encode, cancelled)


def _encode(outcome: Outcome) -> tuple[str, str]:
    match outcome:
        case PassagesFound():
            return "passages", PassagesEvent.of(outcome).model_dump_json()
        case Delta(text):
            return "delta", json.dumps({"text": text}, ensure_ascii=False)
        case PlacedCitation():
            return "citation", CitationOut.of(outcome).model_dump_json()
        case FullAnswer():
            return "done", AnswerOut.of(outcome).model_dump_json()
        case Cancelled():
            return "cancelled", "{}"
        case _:
            return "error", json.dumps(outcome)


async def _answer_at_once(
    request: Request,
    work: Callable[[Callable[[Outcome], None], Callable[[], bool]], None],
    threads: WorkThreads,
) -> Response:
    last: Outcome = Cancelled()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_cancel_when_gone, request, tasks.cancel_scope)
        async with threads.run(work) as outcomes:
            async for outcome in outcomes:
                last = outcome
        tasks.cancel_scope.cancel()
    if isinstance(last, FullAnswer):
        return Response(AnswerOut.of(last).model_dump_json(), media_type="application/json")
    if isinstance(last, dict):
        return problem_response(last)
    # nobody is there to read it
    return JSONResponse(None, 499)


async def _cancel_when_gone(request: Request, scope: anyio.CancelScope) -> None:
    await wait_for_disconnect(request.receive)
    scope.cancel()
