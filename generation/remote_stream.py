"""One streamed completion of a remote server, read beside whoever waits for it. No torch.

A thread reads, so that the caller can notice at any moment that its own client has gone; closing
the stream cuts the connection, which is how the server learns of it.
"""

import json
import queue
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import httpx2

from core.errors import CimientoError
from generation.errors import (
    AdapterMissingError,
    AdapterUnusableError,
    GenerationFailedError,
    GeneratorBusyError,
    GeneratorNotSupportedError,
    GeneratorUnavailableError,
    QuestionTooLongError,
)
from generation.types import OnWait, Pieces, ignore_wait

_POLL_S: Final = 0.05
_DATA: Final = "data:"
_DONE: Final = "[DONE]"
# a comment of our worker, as generation.worker.sending writes it
_WAITING: Final = re.compile(r": (\d+) before")

# codes of our worker
_ADAPTER_ERRORS: Final = {each.code: each for each in (AdapterMissingError, AdapterUnusableError)}

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered; `fields` is what it said where it did not begin a stream.

    `retry_after_s`: for how long it wants not to be asked.
    """

    status: int
    fields: Json
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class _End:
    """The connection has ended, in order unless there is an error."""

    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """More of one sample: text, the log-probabilities of its tokens, and how it ended."""

    sample: int
    text: str
    logprobs: tuple[float, ...] = ()
    finish_reason: str | None = None


class RemoteStream:
    """Posts at once. `wait_for_reply`, then read `pieces` or `parts`; `close` it in every case.

    `is_whole`: the reply is one object and not a stream. `on_sign` is told of every sign of life.
    """

    def __init__(
        self,
        client: httpx2.Client,
        path: str,
        body: Json,
        *,
        headers: Mapping[str, str] | None = None,
        is_whole: bool = False,
        on_sign: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._path = path
        self._body = body
        self._headers = headers
        self._is_whole = is_whole
        self._on_sign = on_sign
        self._arrived: queue.SimpleQueue[Reply | str | _End] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._response: httpx2.Response | None = None
        self._is_closed = False
        threading.Thread(target=self._read, name="remote-stream", daemon=True).start()

    def wait_for_reply(self, cancelled: Callable[[], bool]) -> Reply:
        """What the server answers. An empty 200 where `cancelled` holds first.

        Raises GeneratorUnavailableError where the server cannot be reached.
        """
        item = self._next(cancelled)
        if isinstance(item, Reply):
            return item
        if isinstance(item, _End):
            raise unavailable(self._client.base_url, item.error)
        return Reply(200, {})

    def pieces(self, cancelled: Callable[[], bool], *, on_wait: OnWait = ignore_wait) -> Pieces:
        """The text of the only sample, and what ended it. Raises as `parts` does."""
        is_cut = False
        for part in self.parts(cancelled, on_wait=on_wait):
            is_cut = is_cut or part.finish_reason == "length"
            if part.text:
                yield part.text
        return "length" if is_cut else "stop"

    def parts(
        self, cancelled: Callable[[], bool], *, on_wait: OnWait = ignore_wait
    ) -> Iterator[Part]:
        """What comes of each sample. Ends when `cancelled` holds. Raises as `refusal` describes."""
        num_chars = 0
        is_waiting = False
        while (item := self._next(cancelled)) is not None:
            if isinstance(item, _End):
                raise GeneratorUnavailableError(
                    f"{self._client.base_url} broke off after {num_chars} characters; ask again"
                )
            if not isinstance(item, str) or not item:
                continue
            place = _WAITING.fullmatch(item)
            if place or is_waiting:
                on_wait(int(place[1]) if place else None)
            is_waiting = place is not None
            if not item.startswith(_DATA):
                continue
            data = item.removeprefix(_DATA).strip()
            if data == _DONE:
                return
            for part in self._parts_of(data):
                num_chars += len(part.text)
                yield part

    def break_off(self) -> None:
        """End it for whoever reads: the server is lost, and may never say so itself."""
        self._arrived.put(_End())
        self.close()

    def close(self) -> None:
        """Hang up; safe at any time."""
        with self._lock:
            self._is_closed = True
            response = self._response
        if response is not None:
            _cut(response)

    def _next(self, cancelled: Callable[[], bool]) -> Reply | str | _End | None:
        while not cancelled():
            with suppress(queue.Empty):
                return self._arrived.get(timeout=_POLL_S)
        return None

    def _read(self) -> None:
        end = _End()
        try:
            with self._client.stream(
                "POST", self._path, json=self._body, headers=self._headers
            ) as response:
                if self._take(response):
                    for line in response.iter_lines():
                        self._on_sign()
                        self._arrived.put(line)
        except (httpx2.TransportError, httpx2.StreamError, OSError) as error:
            end = _End(error)
        self._arrived.put(end)

    def _take(self, response: httpx2.Response) -> bool:
        """Whether to read on: the caller may have left before the server answered."""
        with self._lock:
            self._response = response
            if self._is_closed:
                return False
        self._on_sign()
        if response.status_code == 200 and not self._is_whole:
            self._arrived.put(Reply(200, {}))
            return True
        response.read()
        self._arrived.put(reply_of(response))
        return False

    def _parts_of(self, data: str) -> list[Part]:
        try:
            chunk = json.loads(data)
        except ValueError as error:
            raise GeneratorUnavailableError(
                f"{self._client.base_url} sent a chunk that is not JSON"
            ) from error
        match chunk:
            case {"error": {"type": "service_unavailable"}}:
                raise refusal(self._client.base_url, Reply(503, chunk))
            case {"error": _}:
                raise refusal(self._client.base_url, Reply(500, chunk))
            case {"choices": [*choices]}:
                return [_part(choice) for choice in choices if isinstance(choice, dict)]
        return []


def _part(choice: Json) -> Part:
    index, reason = choice.get("index"), choice.get("finish_reason")
    match choice.get("delta"):
        case {"content": str(text)}:
            pass
        case _:
            text = ""
    match choice.get("logprobs"):
        case {"content": [*tokens]}:
            told = [token.get("logprob") for token in tokens if isinstance(token, dict)]
        case _:
            told = []
    return Part(
        index if isinstance(index, int) else 0,
        text,
        tuple(float(value) for value in told if isinstance(value, int | float)),
        reason if isinstance(reason, str) else None,
    )


def reply_of(response: httpx2.Response) -> Reply:
    """A response that was read; its fields are empty where it holds no object."""
    try:
        fields = response.json()
    except ValueError:
        fields = {}
    # the other form of the header is a date, which no server of this protocol sends
    seconds = response.headers.get("Retry-After", "")
    return Reply(
        response.status_code,
        fields if isinstance(fields, dict) else {},
        float(seconds) if seconds.isdecimal() else None,
    )


def unavailable(url: object, error: Exception | None) -> GeneratorUnavailableError:
    """The server cannot be reached."""
    fault = type(error).__name__ if error else "it hung up"
    return GeneratorUnavailableError(
        f"no answer from {url} ({fault}); start 'cimiento worker generate' there, or correct "
        "CIMIENTO_GENERATION__URL"
    )


def refusal(url: object, reply: Reply) -> CimientoError:
    """What a server's error means here."""
    status = reply.status
    code, message = _code_and_message(reply.fields)
    if code == "context_length_exceeded" or "maximum context length" in message:
        return QuestionTooLongError(f"{message}; ask in fewer words")
    said = f"{url} answered {status}: {message}"
    if error := _ADAPTER_ERRORS.get(code):
        return error(said)
    if status in (401, 403):
        return GeneratorUnavailableError(f"{said}; set CIMIENTO_GENERATION__API_KEY to its key")
    if status == 429:
        return GeneratorBusyError(said, retry_after_s=reply.retry_after_s)
    if status in (500, 504):
        return GenerationFailedError(said)
    if status in (400, 422):
        return GeneratorNotSupportedError(said)
    return GeneratorUnavailableError(said)


def _code_and_message(fields: Mapping[str, object]) -> tuple[str, str]:
    error = fields.get("error", fields)
    if not isinstance(error, Mapping):
        return "", str(error)
    return str(error.get("code")), str(error.get("message", "nothing more"))


def _cut(response: httpx2.Response) -> None:
    # closing would not wake the thread that waits to read; shutting the socket down does
    stream = response.extensions.get("network_stream")
    connection = stream.get_extra_info("socket") if stream is not None else None
    if isinstance(connection, socket.socket):
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
