"""Completions in OpenAI's shapes: the whole object, and the chunks of a stream. Sends nothing."""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from core.ids import new_id
from generation.completion import CompletionUsage, Ended, TextEvent
from generation.engine.sequence import FinishReason
from generation.sample_text import ChosenToken, LikelyToken
from generation.worker.errors import ApiError

Json = dict[str, object]

# how a sample may end and still be an answer
_ANSWERED: Final = frozenset({FinishReason.STOP, FinishReason.LENGTH})


@dataclass(slots=True)
class _Written:
    """One sample, as it is put together."""

    text: str = ""
    tokens: list[ChosenToken] = field(default_factory=list)
    reason: FinishReason | None = None


class Reply(ABC):
    """The reply to one request. `chunk` for a stream, `add` and `whole` for one object."""

    chunk_object: str
    whole_object: str
    id_prefix: str

    def __init__(self, model: str, *, num_samples: int, with_logprobs: bool) -> None:
        self._id = new_id(self.id_prefix)
        self._created = int(time.time())
        self._model = model
        self._samples = [_Written() for _ in range(num_samples)]
        self.with_logprobs = with_logprobs

    def add(self, event: TextEvent) -> None:
        """Take an event. Raises ApiError where a sample ended without an answer."""
        sample = self._samples[event.sample]
        if isinstance(event, Ended):
            check_answered(event)
            sample.reason = event.reason
        else:
            sample.text += event.text
            sample.tokens += event.tokens

    def whole(self, usage: CompletionUsage) -> Json:
        """The finished object."""
        choices = [
            {
                "index": index,
                **self.whole_text(sample.text),
                "logprobs": self._logprobs(sample.tokens),
                "finish_reason": sample.reason,
            }
            for index, sample in enumerate(self._samples)
        ]
        return {**self._head(self.whole_object), "choices": choices, "usage": usage_of(usage)}

    def first_chunks(self) -> list[Json]:
        """What a stream begins with."""
        return []

    def chunk(self, event: TextEvent) -> Json:
        """An event as a chunk. Raises ApiError where a sample ended without an answer."""
        if isinstance(event, Ended):
            check_answered(event)
            return self._chunk(event.sample, "", None, event.reason)
        logprobs = self._logprobs(event.tokens, start=len(self._samples[event.sample].text))
        self._samples[event.sample].text += event.text
        return self._chunk(event.sample, event.text, logprobs, None)

    def usage_chunk(self, usage: CompletionUsage) -> Json:
        """What `stream_options.include_usage` asks for, as the last chunk."""
        return {**self._head(self.chunk_object), "choices": [], "usage": usage_of(usage)}

    @abstractmethod
    def whole_text(self, text: str) -> Json:
        """Where a whole choice holds its text."""

    @abstractmethod
    def part_text(self, text: str, *, is_last: bool) -> Json:
        """Where a chunk's choice holds its text."""

    @abstractmethod
    def show_logprobs(self, tokens: Sequence[ChosenToken], *, start: int) -> Json:
        """The log-probabilities of tokens; `start` is the offset of the first in the text."""

    def _chunk(
        self, sample: int, text: str, logprobs: Json | None, reason: FinishReason | None
    ) -> Json:
        choice = {
            "index": sample,
            **self.part_text(text, is_last=reason is not None),
            "logprobs": logprobs,
            "finish_reason": reason,
        }
        return {**self._head(self.chunk_object), "choices": [choice]}

    def _logprobs(self, tokens: Sequence[ChosenToken], *, start: int = 0) -> Json | None:
        return self.show_logprobs(tokens, start=start) if self.with_logprobs else None

    def _head(self, kind: str) -> Json:
        return {"id": self._id, "object": kind, "created": self._created, "model": self._model}


class ChatReply(Reply):
    """A chat completion."""

    chunk_object = "chat.completion.chunk"
    whole_object = "chat.completion"
    id_prefix = "chatcmpl"

    def first_chunks(self) -> list[Json]:
        """Every sample begins by saying who speaks."""
        delta = {"role": "assistant", "content": ""}
        return [
            {
                **self._head(self.chunk_object),
                "choices": [
                    {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
                ],
            }
            for index in range(len(self._samples))
        ]

    def whole_text(self, text: str) -> Json:
        """The assistant's message."""
        return {"message": {"role": "assistant", "content": text, "refusal": None}}

    def part_text(self, text: str, *, is_last: bool) -> Json:
        """What the message grows by."""
        return {"delta": {} if is_last else {"content": text}}

    def show_logprobs(self, tokens: Sequence[ChosenToken], *, start: int) -> Json:  # noqa: ARG002 - chat counts no offsets
        """A list of tokens, each with its bytes."""
        content = [
            {**_likely(token), "top_logprobs": [_likely(other) for other in token.alternatives]}
            for token in tokens
        ]
        return {"content": content, "refusal": None}


class TextReply(Reply):
    """A plain completion."""

    chunk_object = "text_completion"
    whole_object = "text_completion"
    id_prefix = "cmpl"

    def whole_text(self, text: str) -> Json:
        """The text."""
        return {"text": text}

    def part_text(self, text: str, *, is_last: bool) -> Json:  # noqa: ARG002 - empty at the end
        """More text."""
        return {"text": text}

    def show_logprobs(self, tokens: Sequence[ChosenToken], *, start: int) -> Json:
        """Parallel lists, and where each token begins in the text."""
        offsets, data = [], b""
        for token in tokens:
            offsets.append(start + len(data.decode("utf-8", errors="ignore")))
            data += token.data
        return {
            "tokens": [_show(token) for token in tokens],
            "token_logprobs": [token.logprob for token in tokens],
            "top_logprobs": [
                {_show(other): other.logprob for other in token.alternatives} for token in tokens
            ],
            "text_offset": offsets,
        }


def usage_of(usage: CompletionUsage) -> Json:
    """What a request cost."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def check_answered(event: Ended) -> None:
    """Raise ApiError unless a sample ended as an answer does."""
    if event.reason in _ANSWERED:
        return
    match event.reason:
        case FinishReason.DEADLINE:
            raise ApiError(504, "deadline_exceeded", "the request took longer than it may")
        case FinishReason.CANCELLED:
            raise ApiError(503, "shutting_down", "the worker ended the request as it shut down")
        case _:
            raise ApiError(500, "engine_failed", f"the engine failed: {event.error}")


def _likely(token: LikelyToken) -> Json:
    return {"token": _show(token), "logprob": token.logprob, "bytes": list(token.data)}


def _show(token: LikelyToken) -> str:
    return token.data.decode("utf-8", errors="replace")
