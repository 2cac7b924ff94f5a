"""Streams that outlive a connection: what to ask for next, and what they say. Sends nothing."""

import json
from collections.abc import Iterator
from typing import Protocol, TypeVar, Unpack
from uuid import uuid4

from cimiento.client.calls import AnswerOptions, answer_events_path, given, job_path
from cimiento.client.errors import problem_error
from cimiento.client.events import (
    AnswerEvent,
    EventReader,
    Finished,
    PassagesFound,
    answer_event,
)
from cimiento.client.models import Job
from cimiento.client.sending import Sending

T_co = TypeVar("T_co", covariant=True)


class Following(Protocol[T_co]):
    """A stream of `T`, from its beginning or from where a connection broke."""

    @property
    def is_over(self) -> bool:
        """Whether the last event has come."""
        ...

    def ask(self) -> Sending:
        """The request for what has not come yet."""
        ...

    def read(self, text: str) -> Iterator[T_co]:
        """Take some text, cut anywhere; what it completes."""
        ...


class AnswerFollowing:
    """The events of an answer, by `Last-Event-ID` where the connection breaks.

    Before the answer has an id, the question is sent again under its key: it is answered once.
    """

    def __init__(self, question: str, **options: Unpack[AnswerOptions]) -> None:
        self._body = {"question": question, **given(options), "stream": True}
        self._key = str(uuid4())
        self._answer_id: str | None = None
        self._reader = EventReader()
        self.is_over = False

    def ask(self) -> Sending:
        """Ask the question; once its answer has an id, for the events after the last one."""
        self._reader = EventReader(self._reader.last_id)
        if self._answer_id is None:
            key = {"Idempotency-Key": self._key}
            return Sending("POST", "/v1/answer", json=self._body, headers=key)
        headers = {"Last-Event-ID": self._reader.last_id}
        return Sending("GET", answer_events_path(self._answer_id), headers=headers)

    def read(self, text: str) -> Iterator[AnswerEvent]:
        """Raises what ended the answer, if it has none."""
        for event in self._reader.read(text):
            match told := answer_event(event):
                case None:
                    continue
                case PassagesFound(answer_id):
                    self._answer_id = answer_id
                case Finished():
                    self.is_over = True
            yield told


class JobFollowing:
    """The states of a job. A new connection begins with the present one."""

    def __init__(self, job_id: str) -> None:
        self._path = f"{job_path(job_id)}/events"
        self._reader = EventReader()
        self.is_over = False

    def ask(self) -> Sending:
        """Ask for the states from now on."""
        self._reader = EventReader()
        return Sending("GET", self._path)

    def read(self, text: str) -> Iterator[Job]:
        """Raises `ApiError` where the job has disappeared."""
        for event in self._reader.read(text):
            if event.name == "error":
                problem = json.loads(event.data)
                raise problem_error(problem, int(problem.get("status", 500)))
            self.is_over = event.name == "done"
            yield Job.model_validate_json(event.data)
