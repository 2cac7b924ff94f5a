"""Keep what is asked: every answer is stored at its end, before anybody is told of that end."""

from collections.abc import Callable, Iterator
from datetime import datetime

import structlog

from app.answers import AnswerInterruptedError, Answers, EndedAnswer, StoredAnswer
from app.asking import AskEvent, Asking, FullAnswer, PassagesFound, PlacedCitation
from app.errors import internal_problem, problem_of
from app.idempotency import OnceKey
from app.people.usage import TokenUsage
from core.errors import CimientoError
from core.ids import WorkerId
from core.redaction import Response
from core.tables import now
from generation.types import Delta, OnWait, Reasoning, ignore_wait

Problem = dict[str, object]
Encode = Callable[[FullAnswer, Problem | None], Response]
"""An answer in the shape of the API, with the problem that ended it."""

Recorded = PassagesFound | Reasoning | Delta | PlacedCitation | StoredAnswer


class Recorder:
    """Stores the answer to one question, however it ends.

    `writer_id`: the process that answers, where others can end what it leaves behind.
    """

    def __init__(
        self,
        asking: Asking,
        answers: Answers,
        usage: TokenUsage,
        encode: Encode,
        *,
        writer_id: WorkerId | None = None,
    ) -> None:
        self._asking = asking
        self._answers = answers
        self._usage = usage
        self._encode = encode
        self._writer_id = writer_id
        self._is_entered = False
        self._began_at: datetime = now()
        self._num_events = 0

    def run(
        self, *, cancelled: Callable[[], bool], on_wait: OnWait = ignore_wait
    ) -> Iterator[Recorded]:
        """Answer. The last event is the stored answer; an error is raised once it is stored.

        Before passages were found nobody was told of the answer, and an error leaves none behind.
        """
        try:
            for event in self._asking.run(cancelled=cancelled, on_wait=on_wait):
                yield self._take(event)
        except CimientoError as error:
            self._keep_failed(problem_of(error))
            raise
        except Exception:
            self._keep_failed(internal_problem(request_id()))
            raise

    def _take(self, event: AskEvent) -> Recorded:
        self._num_events += 1
        if isinstance(event, PassagesFound):
            self.enter()
        if not isinstance(event, FullAnswer):
            return event
        stored = self._keep(event, None)
        self._asking.count(event)
        return stored

    def enter(self, key: OnceKey | None = None) -> None:
        """Before anybody is told of the answer: whoever was told is owed an end.

        A key stands for it from now on. Raises `KeyTakenError`.
        """
        if self._is_entered or (self._writer_id is None and key is None):
            return
        problem = problem_of(AnswerInterruptedError("the answer was interrupted; ask again"))
        would_be = self._ended(self._asking.begun(), problem)
        self._answers.begin(would_be, self._writer_id, key)
        self._is_entered = True

    def _keep_failed(self, problem: Problem) -> None:
        if self._num_events:
            self._num_events += 1
            failed = self._asking.cut_short("failed")
            self._asking.count(failed)
            self._keep(failed, problem)
        elif self._is_entered:
            self._answers.withdraw(self._asking.question.id)

    def _keep(self, full: FullAnswer, problem: Problem | None) -> StoredAnswer:
        self._usage.add(self._asking.question.asker, full.answer.usage.total)
        was_begun = self._is_entered and self._writer_id is not None
        return self._answers.keep(self._ended(full, problem), was_begun=was_begun)

    def _ended(self, full: FullAnswer, problem: Problem | None) -> EndedAnswer:
        question = self._asking.question
        return EndedAnswer(
            id=question.id,
            asker=question.asker,
            question=question.text,
            collections=question.collections,
            place=question.place,
            status=full.status,
            response=self._encode(full, problem),
            num_events=self._num_events,
            created_at=self._began_at,
        )


def request_id() -> str:
    """Id under which the log has what happened to this request."""
    found: str = structlog.contextvars.get_contextvars().get("request_id", "")
    return found
