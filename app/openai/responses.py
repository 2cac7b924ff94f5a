"""Responses, whole and in events. Pure."""

import json
import time
from collections.abc import Iterator

from app.openai.asking import RESPONSE_PREFIX
from app.openai.fields import ResponseRequest
from app.openai.replies import Json, Written
from app.streams import ServerEvent


class ResponseReply:
    """The reply to a `ResponseRequest`: a `Reply`."""

    def __init__(self, answer_id: str, body: ResponseRequest) -> None:
        self._id = answer_id
        self._body = body
        self._created_at = int(time.time())
        self._num_events = 0

    def whole(self, written: Written) -> Json:
        """A response of one message."""
        status = _status(written)
        message = self._message(status, _parts(written))
        cut = {"reason": "max_output_tokens"} if status == "incomplete" else None
        return {
            **self._response(status, [message]),
            "incomplete_details": cut,
            "usage": _usage(written),
            "cimiento": written.extension,
        }

    def first(self) -> list[ServerEvent]:
        """That there will be a response."""
        begun = self._response("in_progress", [])
        return [
            self._event("response.created", response=begun),
            self._event("response.in_progress", response=begun),
        ]

    def rest(self, written: Written) -> list[ServerEvent]:
        """The message, part by part, the text sentence by sentence, and the end."""
        whole = self.whole(written)
        message = self._message("in_progress", [])
        events = [self._event("response.output_item.added", output_index=0, item=message)]
        events += self._tell_text(written)
        if written.refusal is not None:
            events += self._tell_refusal(written.refusal)
        done = whole["output"][0]
        events.append(self._event("response.output_item.done", output_index=0, item=done))
        return [*events, self._event(f"response.{_status(written)}", response=whole)]

    def failed(self, error: Json) -> list[ServerEvent]:
        """A response that failed; its code is one of the few that the protocol has."""
        told = {"code": "server_error", "message": error["message"]}
        response = {**self._response("failed", []), "error": told, "cimiento": error}
        return [self._event("response.failed", response=response)]

    def _tell_text(self, written: Written) -> Iterator[ServerEvent]:
        (part, *_) = _parts(written)
        empty = part | {"text": "", "annotations": []}
        yield self._part_event("response.content_part.added", 0, part=empty)
        for piece in written.linked.pieces:
            yield self._part_event("response.output_text.delta", 0, delta=piece, logprobs=[])
        for index, annotation in enumerate(written.annotations):
            yield self._part_event(
                "response.output_text.annotation.added",
                0,
                annotation_index=index,
                annotation=annotation,
            )
        text = written.linked.text
        yield self._part_event("response.output_text.done", 0, text=text, logprobs=[])
        yield self._part_event("response.content_part.done", 0, part=part)

    def _tell_refusal(self, refusal: str) -> Iterator[ServerEvent]:
        part = _refusal_part(refusal)
        yield self._part_event("response.content_part.added", 1, part=part | {"refusal": ""})
        yield self._part_event("response.refusal.delta", 1, delta=refusal)
        yield self._part_event("response.refusal.done", 1, refusal=refusal)
        yield self._part_event("response.content_part.done", 1, part=part)

    def _part_event(self, kind: str, index: int, **fields: object) -> ServerEvent:
        item_id = self._message_id
        return self._event(kind, item_id=item_id, output_index=0, content_index=index, **fields)

    def _event(self, kind: str, **fields: object) -> ServerEvent:
        event = {"type": kind, "sequence_number": self._num_events, **fields}
        self._num_events += 1
        return ServerEvent(kind, json.dumps(event, ensure_ascii=False))

    @property
    def _message_id(self) -> str:
        return f"msg_{self._id}"

    def _message(self, status: str, parts: list[Json]) -> Json:
        return {
            "id": self._message_id,
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": parts,
        }

    def _response(self, status: str, output: list[Json]) -> Json:
        body = self._body
        return {
            "id": f"{RESPONSE_PREFIX}{self._id}",
            "object": "response",
            "created_at": self._created_at,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "max_output_tokens": body.max_output_tokens,
            "metadata": {},
            "model": body.model,
            "output": output,
            "parallel_tool_calls": True,
            "previous_response_id": body.previous_response_id,
            "store": True,
            "temperature": body.temperature,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [],
            "top_p": body.top_p,
            "truncation": "disabled",
            "usage": None,
        }


def _status(written: Written) -> str:
    return "incomplete" if written.answer.finish_reason == "length" else "completed"


def _parts(written: Written) -> list[Json]:
    text = {
        "type": "output_text",
        "text": written.linked.text,
        "annotations": written.annotations,
        "logprobs": [],
    }
    return [text] if written.refusal is None else [text, _refusal_part(written.refusal)]


def _refusal_part(refusal: str) -> Json:
    return {"type": "refusal", "refusal": refusal}


def _usage(written: Written) -> Json:
    usage = written.answer.usage
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
