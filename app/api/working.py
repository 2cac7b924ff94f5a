"""One response for work that tells of itself in events: the last of them. Ends with its client."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import anyio
import structlog
from fastapi import Request
from fastapi.responses import JSONResponse, Response

from app.answers import AnswerInterruptedError
from app.errors import find_known, internal_problem, problem_of
from app.live_answers import LiveAnswer
from app.problem_shapes import problem_response
from app.recording import request_id
from app.streams import Produce, ServerEvent, run_task, wait_for_disconnect
from core.errors import CimientoError

_log = structlog.get_logger()


def tell_problems(work: Callable[[LiveAnswer], None], live: LiveAnswer) -> None:
    """Do `work`, in its thread; what it raises becomes its last event."""
    try:
        work(live)
    except CimientoError as error:
        live.emit("error", json.dumps(problem_of(error)))
    except Exception as error:  # noqa: BLE001 - logged in full; the caller is owed one last event
        _log.exception("answer_crashed")
        known = find_known(error)
        problem = internal_problem(request_id()) if known is None else problem_of(known)
        live.emit("error", json.dumps(problem))


async def respond_at_once(
    request: Request, live: LiveAnswer, *, may_return: bool = False
) -> Response:
    """Wait for the end. A client that goes away cancels the work, unless it may come back."""
    if may_return:
        last = await wait_for_last(request, live.follow)
    else:
        last = await wait_for_end(request, live)
    return respond_with(request, last)


def respond_with(
    request: Request, last: ServerEvent | None, *, headers: Mapping[str, str] | None = None
) -> Response:
    """What the last event says; of any other event, that the client went away before the end.

    headers: those of an answer. Raises `AnswerInterruptedError` where somebody cancelled it.
    """
    match last:
        case ServerEvent(name="done"):
            return Response(last.data, media_type="application/json", headers=headers)
        case ServerEvent(name="error"):
            return problem_response(json.loads(last.data), path=request.url.path)
        case ServerEvent(name="cancelled"):
            raise AnswerInterruptedError("the answer was cancelled; send the question again")
        case _:
            # nobody is there to read it
            return JSONResponse(None, 499)


async def wait_for_end(request: Request, live: LiveAnswer) -> ServerEvent | None:
    """The last event. A client that goes away cancels the work, and any event may be the last."""
    async with _cancelled_at_exit(live):
        return await wait_for_last(request, live.follow)


async def wait_for_last(request: Request, produce: Produce) -> ServerEvent | None:
    """The last event, or the last that came before the client went away."""
    return await _wait_for(request, produce, only_first=False)


async def wait_for_beginning(request: Request, live: LiveAnswer) -> ServerEvent | None:
    """The first event, which says whether there is anything to wait for; None if nobody waits."""
    return await _wait_for(request, live.follow, only_first=True)


async def _wait_for(request: Request, produce: Produce, *, only_first: bool) -> ServerEvent | None:
    """The first event, or the last that came before the end, or the client's."""
    found: ServerEvent | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_cancel_when_gone, request, tasks.cancel_scope)
        async with run_task(produce) as events:
            async for event in events:
                found = event
                if only_first:
                    break
        tasks.cancel_scope.cancel()
    return found


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
