"""Server-sent events, and what those of an answer mean. Reads; connects to nothing."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cimiento.client.errors import AnswerCancelledError, problem_error
from cimiento.client.models import Answer, Citation, Passage

# Not the ends of `str.splitlines`: texts hold U+2028 and U+0085. A CR that comes last may be half
# of a CRLF.
_LINE_END: Final = re.compile(r"\r\n|\n|\r(?!\Z)")


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event as it came. `id` is that of the last event that had one."""

    name: str
    data: str
    id: str


@dataclass(slots=True)
class EventReader:
    """Puts events together. `last_id` is that of the last one that came whole."""

    last_id: str = ""
    _rest: str = field(default="", init=False)
    _name: str = field(default="", init=False)
    _data: list[str] = field(default_factory=list, init=False)
    _id: str | None = field(default=None, init=False)

    def read(self, text: str) -> Iterator[ServerEvent]:
        """Take some text, cut anywhere; the events that it completes."""
        *lines, self._rest = _LINE_END.split(self._rest + text)
        for line in lines:
            if (event := self._take(line)) is not None:
                yield event

    def _take(self, line: str) -> ServerEvent | None:
        if not line:
            return self._dispatch()
        key, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match key:
            case "event":
                self._name = value
            case "data":
                self._data.append(value)
            case "id":
                self._id = value
        # a line that begins with a colon is a sign of life, and an unknown field is nothing
        return None

    def _dispatch(self) -> ServerEvent | None:
        name, data = self._name or "message", self._data
        self._name, self._data = "", []
        if self._id is not None:
            self.last_id, self._id = self._id, None
        return ServerEvent(name, "\n".join(data), self.last_id) if data else None


@dataclass(frozen=True, slots=True)
class PassagesFound:
    """What the answer will be written from; `standalone` is what a follow-up was rewritten to."""

    answer_id: str
    standalone: str | None
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Reasoning:
    """More of what the model writes before its answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Delta:
    """More text of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class CitationFound:
    """A place that was just found."""

    citation: Citation


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event: the whole answer. Its text replaces the deltas."""

    answer: Answer


AnswerEvent = PassagesFound | Reasoning | Delta | CitationFound | Finished


def answer_event(event: ServerEvent) -> AnswerEvent | None:
    """What an event of an answer says; None for kinds that this client does not know.

    Raises `ApiError` and `AnswerCancelledError`.
    """
    body: Mapping[str, Any] = json.loads(event.data)
    match event.name:
        case "passages":
            passages = tuple(Passage.model_validate(each) for each in body["passages"])
            return PassagesFound(body["id"], body.get("standalone"), passages)
        case "reasoning":
            return Reasoning(body["text"])
        case "delta":
            return Delta(body["text"])
        case "citation":
            return CitationFound(Citation.model_validate(body))
        case "done":
            return Finished(Answer.model_validate(body))
        case "error":
            raise problem_error(body, int(body.get("status", 500)))
        case "cancelled":
            raise AnswerCancelledError("the answer was cancelled while it was written")
    return None
