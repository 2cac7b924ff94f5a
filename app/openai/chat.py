"""Chat completions, whole and in chunks. Pure."""

import json
import time
from typing import Final

from app.openai.fields import ChatRequest
from app.openai.replies import Json, Written
from app.streams import ServerEvent

_DONE: Final = ServerEvent(None, "[DONE]")


class ChatReply:
    """The reply to a chat: a `Reply`."""

    def __init__(self, answer_id: str, body: ChatRequest) -> None:
        self._head: Json = {
            "id": f"chatcmpl-{answer_id}",
            "created": int(time.time()),
            "model": body.model,
        }
        options = body.stream_options
        self._with_usage = options is not None and options.include_usage

    def whole(self, written: Written) -> Json:
        """A chat completion."""
        message = {
            "role": "assistant",
            "content": written.linked.text,
            "refusal": written.refusal,
            "annotations": _annotations(written),
        }
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": written.answer.finish_reason,
        }
        return {
            **self._head,
            "object": "chat.completion",
            "choices": [choice],
            "usage": _usage(written),
            "cimiento": written.extension,
        }

    def first(self) -> list[ServerEvent]:
        """Whose message it is."""
        return [self._chunk({"role": "assistant", "content": ""})]

    def rest(self, written: Written) -> list[ServerEvent]:
        """A chunk a sentence, one with what is said of them all, and the end."""
        chunks = [self._chunk({"content": piece}) for piece in written.linked.pieces]
        if written.refusal is not None:
            chunks.append(self._chunk({"refusal": written.refusal}))
        last = {"annotations": _annotations(written)}
        chunks.append(
            self._chunk(
                last, finish_reason=written.answer.finish_reason, cimiento=written.extension
            )
        )
        if self._with_usage:
            chunks.append(self._encode({"choices": [], "usage": _usage(written)}))
        return [*chunks, _DONE]

    def failed(self, error: Json) -> list[ServerEvent]:
        """OpenAI's clients raise what they find under `error`."""
        return [ServerEvent(None, json.dumps({"error": error})), _DONE]

    def _chunk(
        self, delta: Json, *, finish_reason: str | None = None, **more: object
    ) -> ServerEvent:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return self._encode({"choices": [choice], **more})

    def _encode(self, fields: Json) -> ServerEvent:
        whole = {**self._head, "object": "chat.completion.chunk", **fields}
        return ServerEvent(None, json.dumps(whole, ensure_ascii=False))


def _annotations(written: Written) -> list[Json]:
    return [
        {"type": "url_citation", "url_citation": {key: each[key] for key in each if key != "type"}}
        for each in written.annotations
    ]


def _usage(written: Written) -> Json:
    usage = written.answer.usage
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
