"""The generator behind HTTP: our worker, or any server that speaks OpenAI's protocol. No torch.

A foreign server has no choices, no scores and perhaps no `/tokenize`: what cannot be had is refused
by name, and only the counting of tokens is estimated.
"""

import math
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Self

import httpx2

from core.settings import GenerationSettings
from generation.drafts import DraftTexts
from generation.errors import (
    AdapterMissingError,
    GeneratorNotSupportedError,
    GeneratorUnavailableError,
)
from generation.generator import Cancelled
from generation.protocol import ADAPTERS_SINCE, HEADER, SPOKEN, versions_in
from generation.remote_stream import RemoteStream, Reply, refusal, reply_of, unavailable
from generation.types import Draft, Message, OnWait, Pieces, Sampling, ignore_wait

# of text in most languages; fewer would overfill a foreign server's window
_CHARS_PER_TOKEN: Final = 3
# role marks and line breaks that a template adds to each message
_TOKENS_PER_MESSAGE: Final = 8
# shorter than servers do: a request must not meet a connection that was just closed
_KEEP_ALIVE_S: Final = 3.0

# as generation.worker.asking reads it; that module belongs to the other process
_TENANT_HEADER: Final = "X-Cimiento-Tenant"

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """What a server says of its model. `is_ours`: it has our extensions.

    `workers`: addresses to ask in place of this one, which stands for a fleet.
    """

    max_context: int
    sha256: str
    is_ours: bool
    workers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to reach a server, and the longest it may be silent."""

    connect_s: float = 5.0
    read_s: float = 120.0

    def for_client(self) -> httpx2.Timeout:
        """As the HTTP client spells it."""
        return httpx2.Timeout(self.read_s, connect=self.connect_s)


class RemoteGenerator:
    """Asks one server for text, once: `generation.pool` asks again and asks others. Thread-safe.

    `assumed_context` is the window of a foreign server that does not name its own.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key: str | None = None,
        timeouts: Timeouts | None = None,
        assumed_context: int = 4096,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        # a name and a password go to the server, and into no message or log
        given = httpx2.URL(base_url)
        plain = str(given.copy_with(userinfo=b""))
        self.url = plain.rstrip("/").removesuffix("/v1")
        # on the monotonic clock: when the server last said anything at all
        self.heard_s = -math.inf
        self._model = model
        self._api_key = api_key
        self._assumed_context = assumed_context
        self._lock = threading.Lock()
        self._known: RemoteModel | None = None
        self._open: set[RemoteStream] = set()
        self._timeouts = timeouts or Timeouts()
        self._client = httpx2.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            auth=(given.username, given.password) if given.userinfo else None,
            timeout=self._timeouts.for_client(),
            limits=httpx2.Limits(keepalive_expiry=_KEEP_ALIVE_S),
            transport=transport,
        )

    @classmethod
    def of(cls, settings: GenerationSettings, url: str, *, model: str) -> Self:
        """The server at this URL, asked as the settings say."""
        return cls(
            url,
            model,
            api_key=settings.api_key.get_secret_value() if settings.api_key else None,
            timeouts=Timeouts(settings.connect_timeout_s, settings.read_timeout_s),
            assumed_context=settings.max_context,
        )

    def beside(self, url: str) -> "RemoteGenerator":
        """Another server of the same model, with the same key; what was forgotten here is there."""
        other = RemoteGenerator(
            url,
            self._model,
            api_key=self._api_key,
            timeouts=self._timeouts,
            assumed_context=self._assumed_context,
        )
        if _TENANT_HEADER in self._client.headers:
            other.forget_prefixes()
        return other

    @property
    def model(self) -> str:
        """Name of the model."""
        return self._model

    @property
    def model_sha256(self) -> str:
        """Hash of the weights; empty where a foreign server does not say."""
        return self._get_model().sha256

    @property
    def runs_on(self) -> str:
        """Elsewhere; a server does not say on what."""
        return "remote"

    @property
    def max_context(self) -> int:
        """Tokens of prompt and answer together."""
        return self._get_model().max_context

    def describe(self) -> RemoteModel:
        """What the server says of its model now. Answers soon, or the server is not well.

        Raises GeneratorUnavailableError, also where it serves another model.
        """
        known = self._fetch_model()
        with self._lock:
            self._known = known
        return known

    def break_off(self) -> None:
        """End everything that is being read: the server is lost."""
        with self._lock:
            streams = tuple(self._open)
        for stream in streams:
            stream.break_off()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def forget_prefixes(self) -> None:
        """Let no later prompt reuse what was computed for an earlier one, where the server is ours.

        A worker never shares pages between tenants: from now on this one is another.
        """
        self._client.headers[_TENANT_HEADER] = secrets.token_hex(16)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of the rendered prompt; an estimate where the server cannot tell."""
        body: Json = {"model": self._model, "messages": _messages(messages)}
        reply = self._post("/tokenize", body)
        count = reply.fields.get("count")
        if reply.status == 200 and isinstance(count, int):
            return count
        if self._get_model().is_ours:
            raise refusal(self.url, reply)
        num_chars = sum(len(message.content) for message in messages)
        return -(-num_chars // _CHARS_PER_TOKEN) + _TOKENS_PER_MESSAGE * len(messages)

    def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        cancelled: Cancelled,
        choices: Sequence[str] = (),
        spans_of: Sequence[str] = (),
        on_wait: OnWait = ignore_wait,
    ) -> Pieces:
        """Yield the text in pieces that never split a character, then say what ended it.

        Raises as the protocol says, GeneratorUnavailableError, GeneratorBusyError,
        GenerationFailedError, and GeneratorNotSupportedError for what a foreign server cannot do.
        """
        body = self._body(messages, sampling, spans_of)
        if choices:
            self._require_ours("a choice among texts")
            body["response_format"] = {"type": "choice", "choices": list(choices)}
        with self._begun(body, cancelled) as stream:
            return (yield from stream.pieces(cancelled, on_wait=on_wait))

    def sample(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        cancelled: Cancelled,
        spans_of: Sequence[str] = (),
        on_wait: OnWait = ignore_wait,
    ) -> list[Draft]:
        """`sampling.n` texts, as the worker writes them in one batch. Raises as `stream` does, and
        GeneratorNotSupportedError where a foreign server writes fewer.
        """
        body = self._body(messages, sampling, spans_of)
        body |= {"n": sampling.n, "logprobs": True}
        texts = DraftTexts()
        # only these share the prompt, as in generation.local, and for its reasons
        tenant = {_TENANT_HEADER: secrets.token_hex(16)}
        with self._begun(body, cancelled, headers=tenant) as stream:
            for part in stream.parts(cancelled, on_wait=on_wait):
                texts.add(part.sample, part.text, part.logprobs)
                if part.finish_reason is not None:
                    texts.end(part.sample, is_cut=part.finish_reason == "length")
        if cancelled():
            return []
        if texts.num_begun < sampling.n:
            raise GeneratorNotSupportedError(
                f"{self.url} wrote {texts.num_begun} of {sampling.n} texts; ask for one, or point "
                "CIMIENTO_GENERATION__URL at a 'cimiento worker generate'"
            )
        return texts.drafts()

    def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, adapter: str = ""
    ) -> list[float]:
        """Log-likelihood of each continuation after the prompt."""
        self._require_ours("scores of continuations")
        if not continuations:
            return []
        reply = self._post(
            "/v1/score",
            {
                "model": self._model,
                "messages": _messages(messages),
                "continuations": list(continuations),
                **self._naming(adapter),
            },
        )
        if reply.status != 200:
            raise refusal(self.url, reply)
        scores = [entry.get("score") for entry in _entries(reply.fields)]
        numbers = [score for score in scores if isinstance(score, float)]
        if len(numbers) != len(continuations):
            raise GeneratorUnavailableError(f"{self.url} did not score every continuation")
        return numbers

    def _body(
        self, messages: Sequence[Message], sampling: Sampling, spans_of: Sequence[str] = ()
    ) -> Json:
        body: Json = {
            "model": self._model,
            "messages": _messages(messages),
            "stream": True,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
            "max_tokens": sampling.max_tokens,
        }
        if sampling.top_k:
            body["top_k"] = sampling.top_k
        if spans_of:
            self._require_ours("words of given texts")
            body["response_format"] = {"type": "span", "texts": list(spans_of)}
        return body | self._naming(sampling.adapter)

    def _naming(self, adapter: str) -> Json:
        if not adapter:
            return {}
        self._require_ours("an adapter")
        if int(self._client.headers[HEADER]) < ADAPTERS_SINCE:
            raise AdapterMissingError(
                f"the worker at {self.url} is of an earlier version, which applies none; update it"
            )
        return {"adapter": adapter}

    @contextmanager
    def _begun(
        self, body: Json, cancelled: Cancelled, *, headers: Mapping[str, str] | None = None
    ) -> Iterator[RemoteStream]:
        """A stream that the server has begun. Raises as `refusal` says where it does not."""
        with self._opened("/v1/chat/completions", body, headers=headers) as stream:
            reply = stream.wait_for_reply(cancelled)
            if reply.status != 200:
                raise refusal(self.url, reply)
            yield stream

    @contextmanager
    def _opened(
        self,
        path: str,
        body: Json,
        *,
        headers: Mapping[str, str] | None = None,
        is_whole: bool = False,
    ) -> Iterator[RemoteStream]:
        stream = RemoteStream(
            self._client,
            path,
            body,
            headers=headers,
            is_whole=is_whole,
            on_sign=self._note_sign,
        )
        with self._lock:
            self._open.add(stream)
        try:
            yield stream
        finally:
            with self._lock:
                self._open.discard(stream)
            stream.close()

    def _note_sign(self) -> None:
        self.heard_s = time.monotonic()

    def _get_model(self) -> RemoteModel:
        return self._known or self.describe()

    def _fetch_model(self) -> RemoteModel:
        try:
            response = self._client.get("/v1/models", timeout=self._timeouts.connect_s)
        except httpx2.TransportError as error:
            raise unavailable(self.url, error) from error
        self._note_sign()
        reply = reply_of(response)
        if reply.status != 200:
            raise refusal(self.url, reply)
        entries = _entries(reply.fields)
        for entry in entries:
            if entry.get("id") == self._model:
                return self._describe(entry)
        names = ", ".join(str(entry.get("id")) for entry in entries) or "no model"
        raise GeneratorUnavailableError(
            f"{self.url} serves {names}, not {self._model!r}; set CIMIENTO_MODELS__ANSWER"
        )

    def _agree(self, entry: Mapping[str, object]) -> None:
        """Settle on a version of the protocol. Raises GeneratorUnavailableError without one."""
        theirs = versions_in(entry.get("protocol"))
        agreed = SPOKEN.shared_with(theirs)
        if agreed is None:
            raise GeneratorUnavailableError(
                f"{self.url} is Cimiento {entry.get('version')} and speaks version {theirs} of the "
                f"workers' protocol, this one {SPOKEN}; update whichever is older"
            )
        self._client.headers[HEADER] = str(agreed)

    def _describe(self, entry: Mapping[str, object]) -> RemoteModel:
        window, digest = entry.get("max_model_len"), entry.get("model_sha256")
        workers = entry.get("workers")
        is_ours = entry.get("owned_by") == "cimiento"
        if is_ours:
            self._agree(entry)
        return RemoteModel(
            max_context=window if isinstance(window, int) else self._assumed_context,
            sha256=digest if isinstance(digest, str) else "",
            is_ours=is_ours,
            workers=tuple(map(str, workers)) if isinstance(workers, list) else (),
        )

    def _require_ours(self, what: str) -> None:
        if not self._get_model().is_ours:
            raise GeneratorNotSupportedError(
                f"{self.url} cannot give {what}; point CIMIENTO_GENERATION__URL at a "
                "'cimiento worker generate', or unset it to use the model in this process"
            )

    def _post(self, path: str, body: Json) -> Reply:
        # read by a thread as streams are, so that a server that is lost holds nobody up
        with self._opened(path, body, is_whole=True) as stream:
            return stream.wait_for_reply(lambda: False)


def _messages(messages: Sequence[Message]) -> list[Json]:
    return [{"role": message.role, "content": message.content} for message in messages]


def _entries(fields: Mapping[str, object]) -> list[Json]:
    listed = fields.get("data")
    return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
