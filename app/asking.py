"""A question to a full answer with its receipt: retrieve, write, place, re-check. Knows no HTTP."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from app.answers import Place
from app.following_up import PastTurn, Understood, understand
from app.outcomes import Outcome, Status
from app.receipts import HowAsked, Made, Receipt, build_receipt
from app.sampling import choose_sampling
from app.services import Services
from core.access import Access, Caller
from core.ids import AnswerId, new_id
from core.settings import GenerationSettings
from core.types import Box, Passage
from generation.answer import AnswerOptions, answer
from generation.refusals import refuse
from generation.types import (
    Answer,
    Cancelled,
    Citation,
    Cited,
    Delta,
    Example,
    Finished,
    OnWait,
    Reasoning,
    ignore_wait,
)
from ingestion.collections import Collections
from ingestion.documents import Documents
from retrieval.passages import load_passages
from retrieval.types import Hit


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, by whom, and how it is to be answered."""

    text: str
    # name of the caller, whose answer it will be
    asker: str
    access: Access
    top_k: int
    options: AnswerOptions
    # names of the collections that `access` was narrowed to; None where it was not
    collections: tuple[str, ...] | None = None
    # the one that a classifier chose, where none was named
    routed_to: str | None = None
    # which documents: a filter as `retrieval.filters` has it
    where: object = None
    # where in a conversation the answer belongs, and what was said there before
    place: Place | None = None
    past: tuple[PastTurn, ...] = ()
    # what it was rewritten to, where that is known already
    standalone: str | None = None
    # what the model is shown, where that is known already; None to choose it
    examples: tuple[Example, ...] | None = None
    id: AnswerId = field(default_factory=lambda: AnswerId(new_id("ans")))


@dataclass(frozen=True, slots=True)
class PlacedPassage:
    """A passage, and its rectangles on the page."""

    passage: Passage
    boxes: list[Box]


@dataclass(frozen=True, slots=True)
class PlacedCitation:
    """A citation, and the rectangles of its quote."""

    citation: Citation
    boxes: list[Box]


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds from the question; `first_token_ms` is None where no token was written."""

    retrieve_ms: float
    first_token_ms: float | None
    total_ms: float


@dataclass(frozen=True, slots=True)
class PassagesFound:
    """The first event: what the answer will be written from, and to which question."""

    id: AnswerId
    passages: tuple[PlacedPassage, ...]
    examples: tuple[Example, ...]
    understood: Understood


@dataclass(frozen=True, slots=True)
class FullAnswer:
    """The last event: the whole answer, with everything that is known of it.

    Of one that was cancelled or failed, `answer` is what there was of it.
    """

    id: AnswerId
    status: Status
    answer: Answer
    citations: tuple[PlacedCitation, ...]
    passages: tuple[PlacedPassage, ...]
    place: Place | None
    understood: Understood
    receipt: Receipt
    timings: Timings


AskEvent = PassagesFound | Reasoning | Delta | PlacedCitation | FullAnswer


class Asking:
    """One question on its way to its answer. For one thread."""

    def __init__(self, services: Services, question: Question) -> None:
        self.question = question
        self._services = services
        self._placed: tuple[PlacedPassage, ...] = ()
        self._citations: list[Citation] = []
        self._text = ""
        self._reasoning = ""
        self._examples: tuple[Example, ...] = ()
        self._understood = Understood(question.standalone)
        self._index_generation = 0
        self._started_s = time.perf_counter()
        self._retrieve_ms = 0.0
        self._first_token_ms: float | None = None

    def run(
        self, *, cancelled: Callable[[], bool], on_wait: OnWait = ignore_wait
    ) -> Iterator[AskEvent]:
        """Answer. The last event is exactly one `FullAnswer`.

        `on_wait` is told how many others the model writes for first. No database session is held
        while the model writes.
        """
        self._understand()
        passages = self._retrieve()
        self._examples = self._choose_examples()
        yield PassagesFound(self.question.id, self._placed, self._examples, self._understood)
        for event in answer(
            self._searched,
            passages,
            generator=self._services.generator,
            ranker=self._services.ranker,
            options=replace(self.question.options, examples=self._examples, on_wait=on_wait),
            cancelled=cancelled,
        ):
            match event:
                case Reasoning(text):
                    self._reasoning += text
                    yield event
                case Delta():
                    self._note(event)
                    yield event
                case Cited(citation):
                    self._citations.append(citation)
                    yield self._place([citation])[0]
                case Finished(finished):
                    yield self._finish(finished)
                case Cancelled():
                    yield self.cut_short("cancelled")

    def cut_short(self, status: Literal["cancelled", "failed"]) -> FullAnswer:
        """What there is of an answer that does not go on. Its text was never checked as a whole."""
        options = self.question.options
        is_whole = self._drop_deleted()
        unchecked = Answer(
            status="partial",
            text=self._text.strip() if is_whole else "",
            sentences=(),
            citations=tuple(self._citations) if is_whole else (),
            confidence=0.0,
            prompt=options.prompt.reference,
            sampling=options.sampling,
            reasoning=self._reasoning if is_whole else "",
            examples=self._examples,
        )
        return self._full(unchecked, status)

    def begun(self) -> FullAnswer:
        """What is kept of it where the process dies: that it was asked; no document's words."""
        options = self.question.options
        nothing = Answer(
            status="refused",
            text="",
            sentences=(),
            citations=(),
            confidence=0.0,
            prompt=options.prompt.reference,
            sampling=options.sampling,
        )
        return FullAnswer(
            id=self.question.id,
            status="failed",
            answer=nothing,
            citations=(),
            passages=(),
            place=self.question.place,
            understood=Understood(),
            receipt=self._receipt(nothing, ()),
            timings=Timings(self._retrieve_ms, None, self._elapsed_ms()),
        )

    def count(self, full: FullAnswer) -> None:
        """Let operators know what came of it; once, by whoever knows that this is the end."""
        outcome = _outcome_of(full, self._services.generator.model)
        self._services.metrics.count_answer(outcome)
        self._services.tracing.tell_answer(outcome)

    @property
    def _searched(self) -> str:
        return self._understood.standalone or self.question.text

    def _understand(self) -> None:
        if self._understood.standalone is None:
            self._understood = understand(
                self.question.text,
                self.question.past,
                self._services.generator,
                max_tokens=self._services.settings.generation.history_tokens,
            )

    def _retrieve(self) -> list[Passage]:
        question, retriever = self.question, self._services.retriever
        self._index_generation = retriever.generation()
        passages = retriever.retrieve(
            self._searched,
            access=question.access,
            top_k=question.top_k,
            where=question.where,
        )
        self._placed = place_passages(self._services.documents, passages, question.access)
        self._retrieve_ms = self._elapsed_ms()
        return passages

    def _choose_examples(self) -> tuple[Example, ...]:
        question = self.question
        if question.examples is not None:
            return question.examples
        return self._services.example_chooser.choose(
            question.options.prompt, self._searched, question.access
        )

    def _note(self, delta: Delta) -> None:
        self._text += delta.text
        if self._first_token_ms is None:
            self._first_token_ms = self._elapsed_ms()

    def _place(self, citations: Sequence[Citation]) -> list[PlacedCitation]:
        spans = [(item.passage.version_id, item.start, item.end) for item in citations]
        boxes = self._services.documents.boxes(spans, self.question.access)
        return [PlacedCitation(*pair) for pair in zip(citations, boxes, strict=True)]

    def _finish(self, finished: Answer) -> FullAnswer:
        live = self._still_live(finished)
        return self._full(live, live.status)

    def _full(self, live: Answer, status: Status) -> FullAnswer:
        return FullAnswer(
            id=self.question.id,
            status=status,
            answer=live,
            citations=tuple(self._place(live.citations)),
            passages=self._placed,
            place=self.question.place,
            understood=self._understood,
            receipt=self._receipt(live, self._placed),
            timings=Timings(self._retrieve_ms, self._first_token_ms, self._elapsed_ms()),
        )

    def _still_live(self, finished: Answer) -> Answer:
        """Refuse in place of an answer that may rest on what was deleted while it was written."""
        if self._drop_deleted():
            return finished
        live = {item.passage.id for item in self._placed}
        is_cited = finished.sentences and all(each.citations for each in finished.sentences)
        if is_cited and all(citation.passage.id in live for citation in finished.citations):
            return finished
        nearest = [item.passage for item in self._placed]
        refused = refuse(
            self._searched, nearest, prompt=finished.prompt, sampling=finished.sampling
        )
        return replace(refused, usage=finished.usage, samples=finished.samples)

    def _drop_deleted(self) -> bool:
        """Keep the passages that are still there; whether all are."""
        hits = [Hit(item.passage.id, item.passage.score) for item in self._placed]
        found = load_passages(self._services.database, hits, access=self.question.access)
        live = {passage.id for passage in found}
        num_before = len(self._placed)
        self._placed = tuple(item for item in self._placed if item.passage.id in live)
        return len(self._placed) == num_before

    def _receipt(self, finished: Answer, placed: Sequence[PlacedPassage]) -> Receipt:
        question = self.question
        return build_receipt(
            Made.of(self._services, question.options),
            HowAsked.of(question.options, top_k=question.top_k, where=question.where),
            index_generation=self._index_generation,
            passages=[item.passage for item in placed],
            answer=finished,
            routed_to=question.routed_to,
        )

    def _elapsed_ms(self) -> float:
        return round((time.perf_counter() - self._started_s) * 1000, 1)


def _outcome_of(full: FullAnswer, model: str) -> Outcome:
    timings = full.timings
    return Outcome(
        id=full.id,
        status=full.status,
        finish_reason=full.answer.finish_reason,
        model=model,
        sampling=full.answer.sampling,
        usage=full.answer.usage,
        num_passages=len(full.passages),
        conversation_id=None if full.place is None else full.place.conversation_id,
        retrieve_s=timings.retrieve_ms / 1000,
        first_token_s=None if timings.first_token_ms is None else timings.first_token_ms / 1000,
        total_s=timings.total_ms / 1000,
    )


def narrow(collections: Collections, access: Access, names: Sequence[str] | None) -> Access:
    """The caller's access, to these collections only. Raises `CollectionNotFoundError`."""
    if names is None:
        return access
    return access.narrowed_to(collections.ids_of(names, access))


def default_options(settings: GenerationSettings) -> AnswerOptions:
    """How questions are answered unless the caller says otherwise."""
    return AnswerOptions(
        sampling=choose_sampling(settings, {}),
        min_confidence=settings.min_confidence,
        style=settings.style,
        max_passages=settings.max_passages,
        unsupported=settings.unsupported,
        likelihood=settings.likelihood,
    )


def options_for(
    services: Services,
    access: Access,
    *,
    caller: Caller,
    prompt: str | None = None,
    sampling: Mapping[str, Any] = MappingProxyType({}),
    likelihood: bool | None = None,
) -> AnswerOptions:
    """How the collections that `access` was narrowed to are answered from.

    What the caller does not say is as all these collections say, else as the service does: so with
    `prompt`, the name of a template that `caller` may see. Raises `PromptNotFoundError` and
    `BadSamplingError`.
    """
    settings = services.settings.generation
    common = services.collections.common_settings(access)
    samples = common.get("samples")
    if likelihood is None:
        likelihood = bool(common.get("likelihood", settings.likelihood))
    options = replace(
        default_options(settings),
        sampling=choose_sampling(settings, sampling, samples=samples),
        reward=services.reward,
        pointer=services.pointer,
        likelihood=likelihood,
    )
    if prompt is None:
        options = services.active_prompts.applied(options, access)
    else:
        options = options.with_prompt(services.prompts.get(prompt, caller.access).template)
    options = services.adapters.applied(options, access)
    return services.calibrations.applied(options, access)


def place_passages(
    documents: Documents, passages: Sequence[Passage], access: Access
) -> tuple[PlacedPassage, ...]:
    """Look up the rectangles of passages."""
    spans = [(passage.version_id, passage.start, passage.end) for passage in passages]
    boxes = documents.boxes(spans, access)
    return tuple(PlacedPassage(*pair) for pair in zip(passages, boxes, strict=True))
