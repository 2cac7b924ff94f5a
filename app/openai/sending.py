"""Sends an answer as a reply of OpenAI's protocol, at once or as a stream.

A stream says nothing of the answer before it is whole: the protocol cannot take a word back, and
whole answers are what is checked. Its sentences then come one by one, with their links.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from fastapi import Request
from fastapi.responses import JSONResponse, Response

from app.api.working import wait_for_beginning, wait_for_end
from app.errors import NotReadyError, build_problem
from app.live_answers import LiveAnswer
from app.openai.replies import Json, Reply, Written
from app.problem_shapes import openai_error, problem_response
from app.streams import EventStreamResponse, ServerEvent, run_task


async def send_whole(request: Request, live: LiveAnswer, reply: Reply, base_url: str) -> Response:
    """Wait for the end, and send it."""
    last = await wait_for_end(request, live)
    if last is not None and last.name == "done":
        return JSONResponse(reply.whole(Written.of(last.data, base_url)))
    return _refuse(request, last)


async def send_stream(request: Request, live: LiveAnswer, reply: Reply, base_url: str) -> Response:
    """Wait until something was found to answer from, then stream: errors so far have a status."""
    first = await wait_for_beginning(request, live)
    if first is None or first.name == "error":
        live.cancel()
        return _refuse(request, first)
    return EventStreamResponse(_Stream(live, reply, base_url).follow)


def _refuse(request: Request, last: ServerEvent | None) -> Response:
    return problem_response(_problem_of(last), path=request.url.path)


def _problem_of(last: ServerEvent | None) -> Json:
    """What ended an answer that did not become whole."""
    if last is not None and last.name == "error":
        problem: Json = json.loads(last.data)
        return problem
    # by whoever asked, who is not there to read it, or because the service ends
    return build_problem(503, NotReadyError.code, "the answer was cancelled; ask again")


@dataclass(frozen=True, slots=True)
class _Stream:
    live: LiveAnswer
    reply: Reply
    base_url: str

    @asynccontextmanager
    async def follow(self) -> AsyncIterator[MemoryObjectReceiveStream[ServerEvent]]:
        """Its events. Clients of this protocol never come back: leaving cancels the work."""
        try:
            async with run_task(self._send) as events:
                yield events
        finally:
            self.live.cancel()

    async def _send(self, send: MemoryObjectSendStream[ServerEvent]) -> None:
        for event in self.reply.first():
            await send.send(event)
        last: ServerEvent | None = None
        async with run_task(self.live.follow) as events:
            async for event in events:
                last = event
        for event in self._rest(last):
            await send.send(event)

    def _rest(self, last: ServerEvent | None) -> list[ServerEvent]:
        if last is not None and last.name == "done":
            return self.reply.rest(Written.of(last.data, self.base_url))
        return self.reply.failed(openai_error(_problem_of(last)))
