"""The client for programs that await. Every method is that of `cimiento.client.synchronous`.

What both say and decide is shared: calls, connecting, events, following, retrying, sending. What
is left is written twice, because awaiting is part of every line of it.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Self, TypeVar, Unpack

import anyio
import httpx2

from cimiento.client import calls
from cimiento.client.calls import AnswerOptions, Call, DocumentFilter, SearchOptions
from cimiento.client.connecting import DEFAULT_RETRIES, DEFAULT_TIMEOUT_S, DEFAULT_URL, address
from cimiento.client.errors import ApiError, ClientError, error_of
from cimiento.client.events import AnswerEvent, Delta, Finished
from cimiento.client.following import AnswerFollowing, Following, JobFollowing
from cimiento.client.models import Answer, Collection, Document, Job, Passage, Upload, Version
from cimiento.client.outcomes import check_searchable
from cimiento.client.retrying import Retries
from cimiento.client.sending import Progress, Sending, Source, UploadOptions, uploading
from cimiento.client.wire import Wire

T = TypeVar("T")


class AsyncClient:
    """Asks a service. For one event loop; close it, or use it as a context.

    timeout_s: seconds of silence after which a connection counts as broken. max_retries: tries in
    a row after the first one, where trying again can help; pauses grow, and `Retry-After` is heeded
    up to a minute. Every call raises `ApiError` and `UnreachableError`.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        key: str | None = None,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        max_retries: int = DEFAULT_RETRIES,
        http: httpx2.AsyncClient | None = None,
    ) -> None:
        self._http = http or httpx2.AsyncClient()
        address(self._http, base_url, key, timeout_s=timeout_s)
        self._max_retries = max_retries

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def search(self, query: str, **options: Unpack[SearchOptions]) -> list[Passage]:
        """The passages that fit best, best first."""
        return await self.request(calls.search(query, **options))

    async def answer(self, question: str, **options: Unpack[AnswerOptions]) -> Answer:
        """The whole answer. A connection that breaks meanwhile does no harm."""
        return await self.stream(question, **options).answer()

    def stream(self, question: str, **options: Unpack[AnswerOptions]) -> "AsyncAnswerStream":
        """The answer as it is written."""
        return AsyncAnswerStream(self.follow(AnswerFollowing(question, **options)))

    async def get_answer(self, answer_id: str) -> Answer:
        """An answer that came to its end."""
        return await self.request(calls.get_answer(answer_id))

    async def upload(
        self,
        source: Source,
        *,
        collection: str = "default",
        progress: Progress | None = None,
        **options: Unpack[UploadOptions],
    ) -> Upload:
        """Send a document; it is safe on return, and searchable once its job is done."""
        with uploading(source, collection, progress, options) as sending:
            return Upload.model_validate_json((await self._send(sending)).content)

    async def add(
        self, source: Source, *, collection: str = "default", **options: Unpack[UploadOptions]
    ) -> Document:
        """Upload a document and wait until it is searchable. Raises `JobFailedError` too."""
        accepted = await self.upload(source, collection=collection, **options)
        if not accepted.skipped:
            await self.wait(accepted.job_id)
        return await self.get_document(accepted.document_id)

    async def wait(self, job_id: str) -> Job:
        """Wait until a job has made its document searchable. Raises `JobFailedError` too."""
        states = [job async for job in self.follow_job(job_id)]
        return check_searchable(states[-1])

    def follow_job(self, job_id: str) -> AsyncIterator[Job]:
        """A job's states, to the last one."""
        return self.follow(JobFollowing(job_id))

    async def get_job(self, job_id: str) -> Job:
        """A job as it is now."""
        return await self.request(calls.get_job(job_id))

    async def retry_job(self, job_id: str, *, password: str | None = None) -> Job:
        """Queue a failed job anew, with the password where the file is encrypted."""
        return await self.request(calls.retry_job(job_id, password))

    async def cancel_job(self, job_id: str) -> Job:
        """End an open job."""
        return await self.request(calls.cancel_job(job_id))

    async def list_collections(self) -> list[Collection]:
        """Every collection that the key sees."""
        return await self.request(calls.list_collections())

    async def create_collection(self, name: str, *, description: str = "") -> Collection:
        """Make a collection."""
        return await self.request(calls.create_collection(name, description))

    async def list_documents(self, **where: Unpack[DocumentFilter]) -> AsyncIterator[Document]:
        """Documents, newest first, page after page as they are needed."""
        cursor: str | None = None
        while True:
            page = await self.request(calls.list_documents(cursor, **where))
            for each in page.items:
                yield each
            if (cursor := page.next_cursor) is None:
                return

    async def get_document(self, document_id: str) -> Document:
        """One document."""
        return await self.request(calls.get_document(document_id))

    async def list_versions(self, document_id: str) -> list[Version]:
        """Every version of a document, newest first."""
        return await self.request(calls.list_versions(document_id))

    async def get_text(self, document_id: str, *, version: int | None = None) -> str:
        """The text that offsets point into; by default of the searchable version."""
        return await self.request(calls.get_text(document_id, version))

    async def delete_document(self, document_id: str) -> None:
        """Delete a document with all its versions."""
        await self.request(calls.delete_document(document_id))

    async def request(self, call: Call[T]) -> T:
        """Make any call, also one that has no method here."""
        response = await self._send(Sending.of(call))
        return call.parse(response.json() if response.content else None)

    async def follow(self, following: Following[T]) -> AsyncGenerator[T, None]:
        """What a stream tells, to its end, over as many connections as that takes."""
        retries = Retries(self._max_retries)
        sending = following.ask()
        while not following.is_over:
            try:
                async with aclosing(await self._send(sending, stream=True)) as response:
                    async for text in response.aiter_text():
                        for told in following.read(text):
                            retries.succeed()
                            yield told
                if not following.is_over:
                    raise httpx2.RemoteProtocolError("the stream ended before its last event")
            except httpx2.TransportError as error:
                # safe once the stream has told what it is
                sending = following.ask()
                await self._pause(retries, error, is_safe=sending.is_safe)

    async def _send(self, sending: Sending, *, stream: bool = False) -> httpx2.Response:
        retries = Retries(self._max_retries)
        while True:
            wire = Wire()
            try:
                request = self._http.build_request(**sending.arguments(wire.hear_async))
                response = await self._http.send(request, stream=stream)
                if response.is_success:
                    return response
                async with aclosing(response):
                    await response.aread()
                error: ApiError | httpx2.TransportError = error_of(response)
            except httpx2.TransportError as broken:
                if retries.is_at_once(broken, wire, is_safe=sending.is_safe):
                    continue
                error = broken
            await self._pause(retries, error, is_safe=sending.is_safe)

    async def _pause(
        self, retries: Retries, error: ApiError | httpx2.TransportError, *, is_safe: bool
    ) -> None:
        await anyio.sleep(retries.pause_s(error, is_safe=is_safe))


class AsyncAnswerStream:
    """An answer as it is written: its events in order, and at the end the whole of it.

    Iterating reads events; `texts` only the text; `answer` waits for the end. Leaving the context
    early, or closing it, stops the answer after a moment.
    """

    def __init__(self, events: AsyncGenerator[AnswerEvent, None]) -> None:
        self._events = events
        self._answer: Answer | None = None

    async def __aiter__(self) -> AsyncIterator[AnswerEvent]:
        async for event in self._events:
            if isinstance(event, Finished):
                self._answer = event.answer
            yield event

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Leave."""
        await self._events.aclose()

    async def texts(self) -> AsyncIterator[str]:
        """The text, piece by piece. `answer` has the text that counts."""
        async for event in self:
            if isinstance(event, Delta):
                yield event.text

    async def answer(self) -> Answer:
        """The whole answer; reads what has not been read."""
        async for _ in self:
            pass
        if self._answer is None:
            raise ClientError("the stream was closed before its answer came")
        return self._answer
