"""The client that waits. `cimiento.client.asynchronous` is the same for programs that await."""

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Self, TypeVar, Unpack

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


class Client:
    """Asks a service. Thread-safe; close it, or use it as a context.

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
        http: httpx2.Client | None = None,
    ) -> None:
        self._http = http or httpx2.Client()
        address(self._http, base_url, key, timeout_s=timeout_s)
        self._max_retries = max_retries

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def search(self, query: str, **options: Unpack[SearchOptions]) -> list[Passage]:
        """The passages that fit best, best first."""
        return self.request(calls.search(query, **options))

    def answer(self, question: str, **options: Unpack[AnswerOptions]) -> Answer:
        """The whole answer. A connection that breaks meanwhile does no harm."""
        return self.stream(question, **options).answer

    def stream(self, question: str, **options: Unpack[AnswerOptions]) -> "AnswerStream":
        """The answer as it is written."""
        return AnswerStream(self.follow(AnswerFollowing(question, **options)))

    def get_answer(self, answer_id: str) -> Answer:
        """An answer that came to its end."""
        return self.request(calls.get_answer(answer_id))

    def upload(
        self,
        source: Source,
        *,
        collection: str = "default",
        progress: Progress | None = None,
        **options: Unpack[UploadOptions],
    ) -> Upload:
        """Send a document; it is safe on return, and searchable once its job is done."""
        with uploading(source, collection, progress, options) as sending:
            return Upload.model_validate_json(self._send(sending).content)

    def add(
        self, source: Source, *, collection: str = "default", **options: Unpack[UploadOptions]
    ) -> Document:
        """Upload a document and wait until it is searchable. Raises `JobFailedError` too."""
        accepted = self.upload(source, collection=collection, **options)
        if not accepted.skipped:
            self.wait(accepted.job_id)
        return self.get_document(accepted.document_id)

    def wait(self, job_id: str) -> Job:
        """Wait until a job has made its document searchable. Raises `JobFailedError` too."""
        *_, last = self.follow_job(job_id)
        return check_searchable(last)

    def follow_job(self, job_id: str) -> Iterator[Job]:
        """A job's states, to the last one."""
        return self.follow(JobFollowing(job_id))

    def get_job(self, job_id: str) -> Job:
        """A job as it is now."""
        return self.request(calls.get_job(job_id))

    def retry_job(self, job_id: str, *, password: str | None = None) -> Job:
        """Queue a failed job anew, with the password where the file is encrypted."""
        return self.request(calls.retry_job(job_id, password))

    def cancel_job(self, job_id: str) -> Job:
        """End an open job."""
        return self.request(calls.cancel_job(job_id))

    def list_collections(self) -> list[Collection]:
        """Every collection that the key sees."""
        return self.request(calls.list_collections())

    def create_collection(self, name: str, *, description: str = "") -> Collection:
        """Make a collection."""
        return self.request(calls.create_collection(name, description))

    def list_documents(self, **where: Unpack[DocumentFilter]) -> Iterator[Document]:
        """Documents, newest first, page after page as they are needed."""
        cursor: str | None = None
        while True:
            page = self.request(calls.list_documents(cursor, **where))
            yield from page.items
            if (cursor := page.next_cursor) is None:
                return

    def get_document(self, document_id: str) -> Document:
        """One document."""
        return self.request(calls.get_document(document_id))

    def list_versions(self, document_id: str) -> list[Version]:
        """Every version of a document, newest first."""
        return self.request(calls.list_versions(document_id))

    def get_text(self, document_id: str, *, version: int | None = None) -> str:
        """The text that offsets point into; by default of the searchable version."""
        return self.request(calls.get_text(document_id, version))

    def delete_document(self, document_id: str) -> None:
        """Delete a document with all its versions."""
        self.request(calls.delete_document(document_id))

    def request(self, call: Call[T]) -> T:
        """Make any call, also one that has no method here."""
        response = self._send(Sending.of(call))
        return call.parse(response.json() if response.content else None)

    def follow(self, following: Following[T]) -> Generator[T, None, None]:
        """What a stream tells, to its end, over as many connections as that takes."""
        retries = Retries(self._max_retries)
        sending = following.ask()
        while not following.is_over:
            try:
                with closing(self._send(sending, stream=True)) as response:
                    for text in response.iter_text():
                        for told in following.read(text):
                            retries.succeed()
                            yield told
                if not following.is_over:
                    raise httpx2.RemoteProtocolError("the stream ended before its last event")
            except httpx2.TransportError as error:
                # safe once the stream has told what it is
                sending = following.ask()
                self._pause(retries, error, is_safe=sending.is_safe)

    def _send(self, sending: Sending, *, stream: bool = False) -> httpx2.Response:
        retries = Retries(self._max_retries)
        while True:
            wire = Wire()
            try:
                request = self._http.build_request(**sending.arguments(wire.hear))
                response = self._http.send(request, stream=stream)
                if response.is_success:
                    return response
                with closing(response):
                    response.read()
                error: ApiError | httpx2.TransportError = error_of(response)
            except httpx2.TransportError as broken:
                if retries.is_at_once(broken, wire, is_safe=sending.is_safe):
                    continue
                error = broken
            self._pause(retries, error, is_safe=sending.is_safe)

    def _pause(
        self, retries: Retries, error: ApiError | httpx2.TransportError, *, is_safe: bool
    ) -> None:
        time.sleep(retries.pause_s(error, is_safe=is_safe))


class AnswerStream:
    """An answer as it is written: its events in order, and at the end the whole of it.

    Iterating reads events; `texts` only the text; `answer` waits for the end. Leaving the context
    early, or closing it, stops the answer after a moment.
    """

    def __init__(self, events: Generator[AnswerEvent, None, None]) -> None:
        self._events = events
        self._answer: Answer | None = None

    def __iter__(self) -> Iterator[AnswerEvent]:
        for event in self._events:
            if isinstance(event, Finished):
                self._answer = event.answer
            yield event

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave."""
        self._events.close()

    def texts(self) -> Iterator[str]:
        """The text, piece by piece. `answer` has the text that counts."""
        return (event.text for event in self if isinstance(event, Delta))

    @property
    def answer(self) -> Answer:
        """The whole answer; reads what has not been read."""
        for _ in self:
            pass
        if self._answer is None:
            raise ClientError("the stream was closed before its answer came")
        return self._answer
